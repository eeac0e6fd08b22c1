# `just` lists these; each is one command that can be typed as well.
_default:
    @just --list

# All that a change has to pass
ci:
    .ci/run

# The tests
test *args:
    cargo test --workspace {{args}}

# One layout
fmt:
    cargo fmt --all

# The lints
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The API documentation, in a browser
doc:
    cargo doc --workspace --no-deps --open

# Type-check the CUDA build; needs no GPU and no CUDA
cuda:
    cargo check --workspace --features cuda

# An example, such as `just example read --help`
example name *args:
    cargo run --release -p glyph-examples --example {{name}} -- {{args}}

# The benchmarks
bench *args:
    cargo bench -p glyph-benches {{args}}

# Accept the pixels of pages as they are now
accept:
    GLYPH_ACCEPT=1 cargo test -p glyph-render --test golden

# Fuzz each target for a number of seconds
fuzz seconds *targets:
    fuzz/run.sh {{seconds}} {{targets}}

# A program outside the workspace
consumer:
    cd tools/consumer && cargo run

# Licences and advisories
deny:
    cargo deny check
