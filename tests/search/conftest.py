"""A small real collection (Mecab, ONNX Runtime, Qdrant Edge) and a real server over it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from fastapi import FastAPI
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from evaluation.calibrate import Calibration, calibrate
from indexer.build import Plan, index
from naru.beir import Beir, Split
from naru.bundle import EncoderInfo, Parity, fingerprint, write_description
from naru.documents import Document
from naru.encoder import Encoder
from naru.settings import ServiceSettings
from naru.store import Store, open_store
from search.catalog import Catalog
from search.searcher import Searcher
from search.service import create_app

DOCUMENTS = (
    Document(
        "card-1",
        "지갑째 카드를 잃어버렸다면 분실신고 전용번호 1500-0799로 바로 전화해 주세요. 휴일과 야간에도 연결됩니다.",
        "카드 분실 신고",
        {"category": "카드", "date": "2025-03-11", "fee": 0, "online": True},
    ),
    Document(
        "card-2",
        "카드를 다시 발급받는 데에는 영업일로 사흘이 걸리고 수수료는 5,000원입니다.",
        "재발급 수수료",
        {"category": "카드", "date": "2025-07-01", "fee": 5000, "online": True},
    ),
    Document(
        "move-1",
        "이사한 날부터 14일 안에 새 주소지 주민센터에 전입신고를 해야 합니다. 늦으면 과태료가 나옵니다.",
        "전입신고 기한",
        {"category": "주민등록", "date": "2024-05-20", "tags": ["이사", "주소"]},
    ),
    Document(
        "passport-1",
        "여권을 새로 만들 때에는 여섯 달 안에 찍은 사진 한 장과 신분증을 가져오세요.",
        "여권 준비물",
        {"category": "여권", "date": "2025-01-15", "fee": 53000},
    ),
    Document(
        "refund-1",
        "받은 날부터 이레 안에는 단순히 마음이 바뀐 때에도 환불을 신청할 수 있습니다. 배송비는 사는 쪽이 냅니다.",
        "환불 기간",
        {"category": "쇼핑", "date": "2026-02-02", "fee": 3000.5, "online": True},
    ),
    Document(
        "app-1",
        "😀👍 앱이 자꾸 꺼지면 지우고 다시 깔아 보세요. 그래도 오류가 나면 기기 이름과 오류 번호를 알려 주세요.",
        "앱 오류",
        {"category": "앱", "date": "2026-01-30"},
    ),
    Document(
        "odd-1",
        '<script>window.hacked = 1</script> 태그 시험 <img src="x" onerror="window.hacked = 2"> 본문입니다.',
        "<b>태그</b> 시험",
        {"category": '"><i>이상</i>', "date": "2026-01-31"},
    ),
    Document(
        "long-1",
        "도서관은 아침 아홉 시에 문을 열고 저녁 여섯 시에 닫습니다. " * 30
        + "연체한 책이 있으면 연체료를 하루에 백 원씩 냅니다. "
        + "정기 휴관일은 매달 둘째 월요일입니다. " * 30,
        "도서관 이용",
    ),
)


WORDS = {
    "card-1": "지갑 카드 분실신고 전용번호 전화 휴일 야간",
    "card-2": "카드 다시 발급 영업일 사흘 수수료 재발급",
    "move-1": "이사 주소지 주민센터 전입신고 과태료 기한",
    "passport-1": "여권 사진 신분증 준비물 여섯 달",
    "refund-1": "이레 단순 마음 환불 신청 배송비 기간",
    "app-1": "앱 오류 기기 이름 번호 지우고",
    "long-1": "도서관 연체료 휴관일 월요일 책 백 원",
}
"""Words of passages; pairs of them ask for it."""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real encoder bundle that knows nothing: the mean of one random vector a character."""
    folder = tmp_path_factory.mktemp("bundle")
    characters = sorted(set("".join(document.title + document.text for document in DOCUMENTS)))
    vocabulary = {"[UNK]": 0} | {character: number for number, character in enumerate(characters, start=1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(7).normal(size=(len(vocabulary), 32)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["mask"]),
        helper.make_node("Mul", ["vectors", "mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["summed"], keepdims=0),
        helper.make_node("LpNormalization", ["summed"], ["embeddings"], axis=-1, p=2),
    ]
    tokens = ("input_ids", "attention_mask")
    graph = helper.make_graph(
        nodes,
        "characters",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"]) for name in tokens],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", 32])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([-1], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    info = EncoderInfo(
        name="characters",
        base_model="none",
        licence="Apache-2.0",
        dimension=32,
        max_length=512,
        pooling="mean",
        similarity="cosine",
        query_prefix="",
        passage_prefix="",
        precision="fp32",
        parity=Parity(1.0, 1.0, 0),
        fingerprint="",
        graph=("model.onnx",),
    )
    info = replace(info, fingerprint=fingerprint(folder, info))
    write_description(folder, [info])
    return folder


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Callable[[], str]:
    """Makes a store on disk that holds two collections: "help" and, of the card passages alone, "cards"."""

    def make() -> str:
        folder = str(tmp_path_factory.mktemp("store") / "data")
        store, encoder = open_store(folder), Encoder(bundle)
        _build(store, encoder, bundle, "help", DOCUMENTS)
        _build(store, encoder, bundle, "cards", DOCUMENTS[:2])
        return folder

    return make


@pytest.fixture(scope="session")
def location(new_store: Callable[[], str]) -> str:
    """The store that `searchers` holds."""
    return new_store()


def _build(store: Store, encoder: Encoder, bundle: Path, name: str, documents: tuple[Document, ...]) -> None:
    index(documents, store, encoder, Plan(name, "tests", str(bundle)), lambda stage, done: None)


@pytest.fixture(scope="session")
def searchers(location: str) -> Iterator[dict[str, Searcher]]:
    store = open_store(location)
    with Searcher.open(store, "help") as help, Searcher.open(store, "cards") as cards:
        yield {"help": help, "cards": cards}


@pytest.fixture(scope="session")
def searcher(searchers: dict[str, Searcher]) -> Searcher:
    return searchers["help"]


@pytest.fixture(scope="session")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of words of a passage that ask for it, and 35 queries that nothing answers."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "qrels").mkdir()
    asked, judged = [], []
    for passage, said in WORDS.items():
        words = said.split()
        for number in range(2 * len(words)):
            asked.append(f"{words[number % len(words)]} {words[(number // 2 + 3) % len(words)]}")
            judged.append(f"q{len(asked)}\t{passage}\t1")
    for number in range(35):
        asked.append(f"화성 우주선 {number}호 왕복 {'카드' if number % 3 == 0 else '요금'}")
        judged.append(f"q{len(asked)}\tapp-1\t0")
    lines = [json.dumps({"_id": f"q{number}", "text": text}) for number, text in enumerate(asked, start=1)]
    (folder / "queries.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "qrels" / "calibrate.tsv").write_text("\n".join(judged) + "\n", "utf-8")
    (folder / "qrels" / "few.tsv").write_text("\n".join(judged[:20]) + "\n", "utf-8")
    (folder / "qrels" / "gone.tsv").write_text("q1\tcard-1\t1\nq2\tgone-1\t1\nq3\tgone-2\t2\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def split(beir: Path) -> Split:
    return Beir(beir).split("calibrate")


@pytest.fixture(scope="session")
def fitted(searcher: Searcher, split: Split) -> Calibration:
    return calibrate(searcher, split)


@pytest.fixture(scope="session")
def calibrated(
    location: str, searcher: Searcher, fitted: Calibration, tmp_path_factory: pytest.TempPathFactory
) -> Searcher:
    """A searcher of the same collection that goes by the calibration's file."""
    path = tmp_path_factory.mktemp("calibration") / "relevance.json"
    path.write_text(fitted.relevance.to_json(), "utf-8")
    return Searcher(searcher.collection, searcher.encoder, searcher.analyzer, relevance=path)


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of a real server over an app, on a free port, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[FastAPI], AbstractContextManager[httpx.Client]]:
    return serving


@pytest.fixture(scope="session")
def client(searchers: dict[str, Searcher]) -> Iterator[httpx.Client]:
    """Of a service over both collections, "help" with examples."""
    examples = {"help": ["카드를 잃어버렸어요", "이사 신고"]}
    with serving(create_app(Catalog(searchers), ServiceSettings(), examples)) as client:
        yield client
