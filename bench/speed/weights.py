"""A weights file of ours (safetensors) as arrays, and the same network as an ONNX file."""
import json
import struct

import numpy as np

KINDS = {"F32": np.float32, "F16": np.float16, "U8": np.uint8, "I64": np.int64, "F64": np.float64}


def read(path):
    """Name -> array; a branch's scale and the temperature are brought into the head, so that softmax(head) is the answer."""
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        raw = f.read()
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, stop = about["data_offsets"]
        tensors[name] = np.frombuffer(raw[start:stop], KINDS[about["dtype"]]).reshape(about["shape"])
    found = {name: t.astype(np.float32) for name, t in tensors.items() if t.dtype in (np.float16, np.float32)}
    scale = np.float32(1 / float(header.get("__metadata__", {}).get("temperature", 1)))
    if "scale" in found:
        scale *= found["scale"].ravel()[0]
    if scale != 1:
        found["head.weight"] = found["head.weight"] * scale
        found["head.bias"] = found["head.bias"] * scale
    return found


def write_onnx(weights, path):
    """Tokens (T, B), padded, and lengths (B) -> probabilities: Gather, LSTM, Gemm, Softmax."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def reorder(t):
        """Gates i, f, g, o -> i, o, f, g, as ONNX has them; a direction in front."""
        i, f, g, o = np.split(t, 4)
        return np.concatenate([i, o, f, g])[None]

    H = weights["rnn.weight_hh_l0"].shape[1]
    C = weights["head.weight"].shape[0]
    constants = {
        "embedding": weights["embedding.weight"],
        "W": reorder(weights["rnn.weight_ih_l0"]),
        "R": reorder(weights["rnn.weight_hh_l0"]),
        "B": np.concatenate([reorder(weights["rnn.bias_ih_l0"]), reorder(weights["rnn.bias_hh_l0"])], axis=1),
        "head": weights["head.weight"],
        "head_bias": weights["head.bias"].ravel(),
        "first": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embedding", "token"], ["x"]),
        helper.make_node("LSTM", ["x", "W", "R", "B", "length"], ["", "last"], hidden_size=H),
        helper.make_node("Squeeze", ["last", "first"], ["h"]),
        helper.make_node("Gemm", ["h", "head", "head_bias"], ["logit"], transB=1),
        helper.make_node("Softmax", ["logit"], ["probability"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("token", TensorProto.INT32, ["T", "N"]),
         helper.make_tensor_value_info("length", TensorProto.INT32, ["N"])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", C])],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
