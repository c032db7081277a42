"""The model server as the sidecar sees it: what it hosts, asked anew from time to time, and heat maps of frames."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radar.errors import SnowmodeError
from radar.frames import Picture
from serving.protocol.connection import Arrays, Connection, ServedModel, Timeouts
from serving.protocol.contract import EXPLAIN, GRADCAM, HIRESCAM, LOGITS, PROBABILITIES, ModelCard
from serving.protocol.errors import ContractError, ServerError
from serving.protocol.priority import Priority
from serving.sidecar.errors import NotFound, SidecarError
from serving.sidecar.settings import Settings, read_tls_of
from serving.sidecar.store.cards import put_card
from serving.sidecar.store.database import Database

FRESH_SECONDS = 10.0
"""So long the newest version is taken for the newest without asking."""

ASK_SECONDS = 60.0
"""So often it is asked anyway."""

_KEPT = 256  # answers; one has some 10 kB
_VERSIONS = 8  # connections to versions that somebody asked for by number
_TIMEOUTS = Timeouts(describe=5.0, predict=20.0)  # a person is waiting

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a model says of one frame.

    Attributes:
        served: The model.
        probabilities: float32, shape (K,).
        logits: float32, shape (K,).
        maps: ``gradcam`` and ``hirescam``, float32, shape (K, rows, columns), logit units.
    """

    served: ServedModel
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    maps: dict[str, NDArray[np.float32]]

    @property
    def winner(self) -> int:
        """Index of the most probable mode."""
        return int(self.probabilities.argmax())

    @property
    def accepted(self) -> bool:
        """Whether the model is sure enough."""
        return bool(self.probabilities.max() >= self.served.card.rejection_threshold)


class ModelServer:
    """Asks the model server; fit for many threads.

    Connections make themselves anew when the server comes back. Answers are kept by picture and version: the five
    maps of a frame, asked for by five images of one page, cost one call.

    Args:
        settings: Where it is, and which model and label.
        database: Where cards are kept for times without a server.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._tls = read_tls_of(settings)
        self._lock = threading.Lock()
        self._newest = self._connect(None, settings.version_label)
        self._by_version: OrderedDict[int, Connection] = OrderedDict()
        self._cards: dict[int, ModelCard] = {}
        self._latest: ServedModel | None = None
        self._asked = -FRESH_SECONDS
        self._answers: OrderedDict[tuple[int, bytes], Future[Explanation]] = OrderedDict()
        self._closed = threading.Event()
        self._asker = threading.Thread(target=self._keep_asking, name="model server", daemon=True)

    def start(self) -> None:
        """Begins to ask from time to time what is hosted, so that cards are known before anybody needs them."""
        self._asker.start()

    def close(self) -> None:
        """Closes the connections; calls in flight are cancelled."""
        self._closed.set()
        with self._lock:
            for connection in (self._newest, *self._by_version.values()):
                connection.close()
            self._by_version.clear()
        if self._asker.is_alive():
            self._asker.join()

    def check(self) -> None:
        """Asks for an answer.

        Raises:
            ServingError: There is none, or it is no use.
        """
        self._describe(self._newest)

    def served(self, version: int | None = None) -> ServedModel:
        """Says what is hosted.

        Args:
            version: A version; None takes the newest, or the one of the label in the settings.

        Raises:
            ServingError: No server answers.
            NotFound: It does not host that version.
        """
        if version is not None:
            card = self._cards.get(version)
            return self._describe_version(version) if card is None else ServedModel(card, version)
        if self._latest is None or time.monotonic() - self._asked > FRESH_SECONDS:
            asked = time.monotonic()
            self._latest, self._asked = self._describe(self._newest), asked
        return self._latest

    def explain(self, served: ServedModel, image: Picture) -> Explanation:
        """Asks for the heat maps of one frame.

        Args:
            served: The model, as `served` gave it.
            image: As the model wants it.

        Raises:
            ServingError: No server answers, or it refuses.
            NotFound: The server does not host that version any more.
        """
        key = served.version, hashlib.sha256(image.tobytes()).digest()
        with self._lock:
            answer = self._answers.get(key)
            mine = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
                while len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
            else:
                self._answers.move_to_end(key)
        if mine:
            try:
                answer.set_result(self._explain(served, image))
            except BaseException as error:
                with self._lock:
                    if self._answers.get(key) is answer:
                        del self._answers[key]
                answer.set_exception(error)
        return answer.result()

    def bulk_connection(self, version: int) -> Connection:
        """Opens a connection for long work, which lets live requests go first; the caller closes it."""
        return self._connect(version, "", priority=Priority.BULK)

    def _keep_asking(self) -> None:
        while not self._closed.is_set():
            # Whoever needs it is told, and /readyz tells it too; ValueError is what gRPC says of a closed channel.
            with contextlib.suppress(SnowmodeError, ValueError):
                self.served()
            self._closed.wait(ASK_SECONDS)

    def _explain(self, served: ServedModel, image: Picture) -> Explanation:
        card = served.card
        connection = self._connection(served.version)
        try:
            answer = connection.call(EXPLAIN, image[np.newaxis])
        except ServerError as error:
            if error.code != "NOT_FOUND":
                raise
            self._asked = -FRESH_SECONDS  # it has moved on to a newer version: the next one asks which
            self._cards.pop(served.version, None)
            raise self._not_hosted(served.version) from error
        shape = (1, len(card.modes), card.heat_map.height, card.heat_map.width)
        self._check(answer, {PROBABILITIES: shape[:2], LOGITS: shape[:2], GRADCAM: shape, HIRESCAM: shape})
        maps = {name: answer[name][0] for name in (GRADCAM, HIRESCAM)}
        return Explanation(served, answer[PROBABILITIES][0], answer[LOGITS][0], maps)

    @staticmethod
    def _check(answer: Arrays, shapes: dict[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            if answer[name].shape != shape or not np.isfinite(answer[name]).all():
                raise ContractError(
                    f"explain: expected {name!r} of finite numbers with shape {shape}, received shape "
                    f"{answer[name].shape}, or numbers that are not finite"
                )

    def _describe_version(self, version: int) -> ServedModel:
        try:
            return self._describe(self._connection(version))
        except ServerError as error:
            if error.code != "NOT_FOUND":
                raise
            raise self._not_hosted(version) from error

    def _not_hosted(self, version: int) -> NotFound:
        return NotFound(
            f"The model server does not host version {version} of {self._settings.model!r} now. Ask without a "
            "version for the newest it hosts, or have it host that one (--model_config_file)"
        )

    def _describe(self, connection: Connection) -> ServedModel:
        served = connection.describe()
        if self._cards.get(served.version) != served.card:
            self._cards[served.version] = served.card
            self._keep(served)
        return served

    def _keep(self, served: ServedModel) -> None:
        if self._settings.read_only:
            return
        try:
            with self._database.writing() as connection:
                put_card(connection, self._settings.model, served.version, served.card)
        except SidecarError as error:
            del self._cards[served.version]  # so that it is tried again
            _log.warning("the card of version %d could not be kept: %s", served.version, error)

    def _connection(self, version: int) -> Connection:
        with self._lock:
            connection = self._by_version.get(version)
            if connection is None:
                connection = self._by_version[version] = self._connect(version)
                if len(self._by_version) > _VERSIONS:
                    # Not closed: others may wait for its answers. It closes itself when the last of them is gone.
                    self._by_version.popitem(last=False)
            self._by_version.move_to_end(version)
            return connection

    def _connect(self, version: int | None, label: str = "", *, priority: Priority = Priority.LIVE) -> Connection:
        return Connection(
            self._settings.server,
            model=self._settings.model,
            version=version,
            label=label,
            priority=priority,
            timeouts=Timeouts() if priority is Priority.BULK else _TIMEOUTS,
            tls=self._tls,
        )
