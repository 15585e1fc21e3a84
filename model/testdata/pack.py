"""Packs reference cases for the tests of package model.

    python3 pack.py PATH...     ref-TYPE.json with a model and its logits beside it, or a folder of such, as made by generate_reference.py

Writes NAME-TYPE.gguf.gz (the model as it is) and NAME-TYPE.json.gz (token ids and the expected logits at some positions)
beside this script. Only the standard library is needed.
"""
import base64, gzip, hashlib, json, pathlib, sys

here = pathlib.Path(__file__).parent


def write(path, data):
    with open(path, "wb") as out, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as z:
        z.write(data)


for arg in sys.argv[1:]:
    path = pathlib.Path(arg)
    for ref_path in sorted(path.glob("ref-*.json")) if path.is_dir() else [path]:
        ref = json.load(open(ref_path))
        name = f"{ref['name']}/{ref_path.stem[4:]}"
        model = (ref_path.parent / ref["file"]).read_bytes()
        packed = {"Model": name, "SHA256": hashlib.sha256(model).hexdigest(), "HF": ref["hf_config"], "Seqs": {}}
        for s, seq in ref["seqs"].items():
            n, width = seq["logits"]["shape"]
            data = (ref_path.parent / seq["logits"]["file"]).read_bytes()
            at = sorted({0, 1, n // 3, n // 2, n - 2, n - 1} | set(range(7, n, 53)))
            packed["Seqs"][s] = {
                "IDs": seq["ids"], "max_len": seq["n_ctx"], "Positions": at,
                "Cols": None if seq["logits"]["kind"] == "full" else ref["cols"],
                "Rows": base64.b64encode(b"".join(data[p * width * 4:(p + 1) * width * 4] for p in at)).decode(),
            }
        stem = name.replace("/", "-")
        write(here / f"{stem}.gguf.gz", model)
        write(here / f"{stem}.json.gz", json.dumps(packed).encode())
        print(stem, sum((here / f"{stem}{e}.gz").stat().st_size for e in (".gguf", ".json")))
