#!/usr/bin/env python3
"""Copies a GGUF file with all tensors as F32: `gguf_to_f32.py IN.gguf OUT.gguf`.

    pip install gguf numpy

With plain numbers nothing rounds activations to 8 bits, so two programs that compute the same
give the same tokens: see glyph-decode/tests/llama_cpp.rs.
"""

import sys

import gguf

reader = gguf.GGUFReader(sys.argv[1])
arch = reader.fields["general.architecture"].contents()
writer = gguf.GGUFWriter(sys.argv[2], arch)
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name == "general.architecture":
        continue
    sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), field.types[0], sub)
for tensor in reader.tensors:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    writer.add_tensor(tensor.name, values.reshape([int(n) for n in reversed(tensor.shape)]))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
