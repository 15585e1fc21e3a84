#!/usr/bin/env python3
"""Writes pairs.json.gz: predictions, answers and the scores that LongBench's own metrics.py gives them.

python3 generate.py METRICS_PY BOOK
METRICS_PY: LongBench/metrics.py of the benchmark's repository; BOOK: the text that pairs are made of (Go's Isaac.Newton-Opticks.txt).
Needs rouge 1.0.1 and fuzzywuzzy 0.18.0 without python-Levenshtein, which would replace difflib by another algorithm. jieba is not
needed: the scores of Chinese are not among the pairs.
"""
import gzip, hashlib, importlib.metadata, importlib.util, json, pathlib, random, re, sys, types, warnings

warnings.simplefilter("ignore")
sys.modules.setdefault("jieba", types.ModuleType("jieba"))
source = pathlib.Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("metrics", source)
metrics = importlib.util.module_from_spec(spec)
spec.loader.exec_module(metrics)

r = random.Random(20240611)
book = re.sub(r"\s+", " ", pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")[9000:])
sentences = [s for s in re.split(r"(?<=[.?!]) ", book) if len(s) > 20]
odd = ["İstanbul", "ΣΟΦΟΣ", "naïve", "the\u00a0end", "a\u2003b", "one\x1ctwo", "x_the_y", "é the é", "Straße", "１２", "the—end", "an-other", "’a’", "٣", "e\u0301the"]


def spoil(words):
    """Another text that shares something with this one."""
    out = []
    for w in words:
        x = r.random()
        if x < 0.12:
            continue
        if x < 0.2:
            out.append(r.choice(["the", "a", "An", "of", "THE", r.choice(odd)]))
        if x < 0.26:
            w = w.upper()
        if x > 0.95:
            w += r.choice([",", ".", "...", "!", ";"])
        out.append(w)
    if r.random() < 0.2:
        r.shuffle(out)
    return out


def prose(n):
    at = r.randrange(len(sentences) - n)
    return " ".join(sentences[at:at + n])


pairs = []


def pair(kind, prediction, truth, **more):
    score = {"f1": metrics.qa_f1_score, "rouge_l": metrics.rouge_score, "classification": metrics.classification_score,
             "retrieval": metrics.retrieval_zh_score if "段落" in truth else metrics.retrieval_score, "count": metrics.count_score,
             "edit": metrics.code_sim_score}[kind](prediction, truth, all_classes=more.get("classes"))
    pairs.append({"kind": kind, "prediction": prediction, "truth": truth, "score": score, **more})


for i in range(300):
    words = prose(1).split()[:r.randrange(1, 15)]
    guess = spoil(words) if r.random() < 0.85 else prose(1).split()[:8]
    pair("f1", r.choice(["", " ", "\n"]) + " ".join(guess), " ".join(words))
for a in ["", " ", "The", "a an the", "...", "İ", "Σ", "ΑΣ ΣΑ"] + odd:
    for b in ["the answer", "", "a", "i̇ ας"] + odd[:3]:
        pair("f1", a, b)

for i in range(240):
    truth = prose(r.randrange(1, 6))
    guess = " ".join(spoil(truth.split())) if r.random() < 0.7 else prose(r.randrange(1, 5))
    if r.random() < 0.2:
        guess = guess.replace(" ", "  ", 3).replace(".", ". . ", 2)
    pair("rouge_l", guess[:700], truth[:700])
for a, b in [("", "x"), ("x", ""), (".", "x"), ("...", "..."), (" . ", "x y."), ("x", "x"), ("a b c", "a c b"), ("a.b.c", "c.b.a"), ("\n", "x")]:
    pair("rouge_l", a, b)

classes = ["Food", "Date", "Number of something", "Number", "Order, rank", "Group or organization of person", "Individual", "Title of a person",
           "Other entity", "Entity", "Description of a person", "Person", "Abbreviation", "Expression abbreviated", "Event", "Speed", "Temperature"]
for i in range(260):
    truth = r.choice(classes)
    named = [r.choice(classes) for _ in range(r.randrange(0, 4))]
    if r.random() < 0.6:
        named.append(truth)
    r.shuffle(named)
    order = classes[:]
    r.shuffle(order)
    pair("classification", r.choice(["Type: ", "", "It is "]) + r.choice([", ", " / ", "\n"]).join(named), truth, classes=order)

for i in range(260):
    n = r.randrange(1, 31)
    others = [str(r.randrange(0, 40)) for _ in range(r.randrange(0, 4))] + ([str(n)] if r.random() < 0.7 else [])
    r.shuffle(others)
    say = r.choice(["Paragraph ", "", "the number is ", "段落"])
    pair("retrieval", "; ".join(say + o for o in others), r.choice(["Paragraph %d", "段落%d"]) % n)
    pair("count", " and ".join(others) + r.choice(["", " in total", " ٣", " 0%d" % n, "."]), str(n))

code = re.findall(r"[^\n]+", pathlib.Path(__file__).read_text(encoding="utf-8"))
for i in range(260):
    truth = r.choice(code)
    if r.random() < 0.25:
        truth = " ".join(r.choice(code) for _ in range(6))
    guess = list(truth if r.random() < 0.8 else r.choice(code))
    for _ in range(r.randrange(0, 12)):
        at = r.randrange(len(guess) + 1)
        guess[at:at + r.randrange(0, 3)] = r.choice(["", "x", "_y", "()", "é"])
    lead = r.choice(["", "\n\n", "# a comment\n", "```python\n", "// c\n\n", "```\n#\n"])
    pair("edit", lead + "".join(guess) + r.choice(["", "\nmore = 1"]), truth)
for a, b in [("", ""), ("", "x"), ("x", ""), ("x", "x"), ("# only", "x"), ("ab", "ba"), ("a" * 250, "a" * 251), ("ab" * 150, "ba" * 150)]:
    pair("edit", a, b)

head = {"metrics_sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "python": sys.version.split()[0],
        **{p: importlib.metadata.version(p) for p in ("rouge", "fuzzywuzzy")}}
with gzip.GzipFile("pairs.json.gz", "wb", 9, mtime=0) as f:
    f.write(json.dumps({"made_with": head, "pairs": pairs}, ensure_ascii=False).encode())
print(head, len(pairs))
