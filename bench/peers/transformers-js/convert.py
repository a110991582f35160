"""The model of the benchmark in ONNX, int4 weights, as transformers.js reads it.

    python -m venv VENV && VENV/bin/pip install torch transformers accelerate gguf sentencepiece onnx onnx-ir onnxruntime-genai
    VENV/bin/python bench/peers/transformers-js/convert.py MODEL.gguf FOLDER

Microsoft's model builder makes it from the GGUF's weights: attention in one operator with a key/value cache, int4
products in int8 arithmetic, and logits of the last token alone, which is the fastest that onnxruntime has on a CPU.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from transformers import AutoModelForCausalLM, AutoTokenizer

source, target = Path(sys.argv[1]), Path(sys.argv[2])
with tempfile.TemporaryDirectory() as work:
    plain, built = Path(work, "plain"), Path(work, "built")
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype="float32")
    # It holds floats by now; as long as it calls itself quantized, it cannot be saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(plain)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(plain)
    builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(plain), "-o", str(built)]
    options = ["-p", "int4", "-e", "cpu", "-c", str(Path(work, "cache"))]
    extra = ["--extra_options", "prune_lm_head=true", "int4_accuracy_level=4"]
    subprocess.run([*builder, *options, *extra], check=True)
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    # In one file: transformers.js looks for outside data under another name than the builder gives it. And it makes the
    # empty cache from the inputs' shapes, where the builder leaves the width of a head open.
    graph = onnx.load(built / "model.onnx")
    for value in graph.graph.input:
        if value.name.startswith("past_key_values."):
            value.type.tensor_type.shape.dim[3].dim_value = model.config.head_dim
    onnx.save(graph, target / "onnx" / "model_q4.onnx")
    (target / "config.json").write_text((plain / "config.json").read_text())
