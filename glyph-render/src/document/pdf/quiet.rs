//! Panics of other crates, turned into messages without a trace on standard error.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `work`; where it panics, the panic's message is the error and nothing is printed.
///
/// The panic hook is wrapped once for that: it is passed on to for all other panics.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    if !std::thread::panicking() {
        HOOK.call_once(|| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !QUIET.with(Cell::get) {
                    hook(info);
                }
            }));
        });
    }
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    result.map_err(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        message.unwrap_or_else(|| "the reader gave up".into())
    })
}
