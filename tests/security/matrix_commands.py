"""What is asked in the matrix over the binary protocol, and who may."""

import ssl
from collections.abc import Callable

from matrix_callers import ROLES, Caller
from matrix_operations import NAMESPACE, SUBSCRIPTION, TOPIC

from harness.raw_client import BrokerError, RawClient

_AUTHENTICATION, _AUTHORIZATION = 3, 4  # ServerError
_LETTERS = {_AUTHENTICATION: "A", _AUTHORIZATION: "Z"}
_ADMINS = {"admin", "tadmin"}
_PRODUCE, _CONSUME, _ALL = _ADMINS | {"prod"}, _ADMINS | {"cons", "subr"}, set(ROLES)
_USE = _PRODUCE | _CONSUME
_SCHEMA = b"\x0a\x06String\x1a\x00\x20\x01"  # Schema: name, schema_data, type String
_FIRST_MESSAGE = b"\x08\x00\x10\x00"  # MessageIdData


def _produce(client: RawClient) -> None:
    client.create_producer(TOPIC)
    client.send(b"x")


def _produce_for(client: RawClient) -> None:
    """With a first subscription, which is the one that `subr` alone may use."""
    client.ask(5, {1: TOPIC, 2: 2, 3: 9, 13: SUBSCRIPTION}, 17)


# By name: the command, and the roles that may. Of a consumer that there is not, everybody is told so; see SERVED.
_Command = Callable[[RawClient], object]
COMMANDS: dict[str, tuple[_Command, set[str]]] = {
    "CONNECT": (lambda client: None, _ALL),
    "LOOKUP": (lambda client: client.lookup(TOPIC), _USE),
    "PARTITIONED_METADATA": (lambda client: client.ask(21, {1: TOPIC, 2: 1}, 22), _USE),
    "GET_TOPICS_OF_NAMESPACE": (lambda client: client.ask(32, {1: 1, 2: NAMESPACE}, 33), _USE),
    "GET_SCHEMA": (lambda client: client.ask(34, {1: 1, 2: TOPIC}, 35), _USE),
    "GET_OR_CREATE_SCHEMA": (lambda client: client.ask(39, {1: 1, 2: TOPIC, 3: _SCHEMA}, 40), _PRODUCE),
    "PRODUCER, SEND": (_produce, _PRODUCE),
    "PRODUCER with a first subscription": (_produce_for, _ADMINS),
    "SUBSCRIBE": (lambda client: client.subscribe(TOPIC, "own", 1), _CONSUME),
    "SUBSCRIBE to one that is another's": (lambda client: client.subscribe(TOPIC, SUBSCRIPTION, 2), _ADMINS | {"subr"}),
    "GET_LAST_MESSAGE_ID": (lambda client: client.ask(29, {1: 1, 2: 1}, 30), _CONSUME),
    "CONSUMER_STATS": (lambda client: client.ask(25, {1: 1, 4: 1}, 26), _CONSUME),
    "UNSUBSCRIBE": (lambda client: client.ask(12, {1: 1, 2: 1, 3: 1}, 13), _CONSUME),
    "SEEK": (lambda client: client.ask(28, {1: 2, 2: 1, 3: _FIRST_MESSAGE}, 13), _ADMINS | {"subr"}),
    "WATCH_TOPIC_LIST": (lambda client: client.ask(64, {1: 1, 2: 1, 3: NAMESPACE, 4: ".*"}, 65), set()),
    "NEW_TXN": (lambda client: client.ask(50, {1: 1, 2: 1, 3: 0}, 51), set()),
}
# What those who may not are told: Z for AuthorizationError, e for another error.
OTHERS = dict.fromkeys(COMMANDS, "Z") | dict.fromkeys(
    ("GET_LAST_MESSAGE_ID", "CONSUMER_STATS", "UNSUBSCRIBE", "SEEK", "WATCH_TOPIC_LIST", "NEW_TXN"), "e"
)


def letters_of(caller: Caller, port: int, trust: ssl.SSLContext) -> str:
    """A letter for each of COMMANDS: y served, A AuthenticationError, Z AuthorizationError, e another error, c the connection ends,
    x no connection."""
    if caller.certificate:
        trust.load_cert_chain(*caller.certificate)
    letters = ""
    while len(letters) < len(COMMANDS):  # once, and again where it ended
        try:
            with RawClient("localhost", port, 30, trust) as client:
                client.connect(caller.method, caller.token)
                for command, _ in list(COMMANDS.values())[len(letters) :]:
                    letters += _letter(client, command)
                    if letters.endswith("c"):
                        break
        except BrokerError as error:
            return _LETTERS.get(error.code, "e") * len(COMMANDS)
        except (ssl.SSLError, ConnectionError):
            return "x" * len(COMMANDS)
    return letters


def by_the_rules(command: str, caller: Caller) -> str:
    if not caller.connects:
        return "x"
    if not caller.role:
        return "A"
    return "y" if caller.role in COMMANDS[command][1] else OTHERS[command]


def _letter(client: RawClient, command: _Command) -> str:
    try:
        command(client)
    except BrokerError as error:
        return _LETTERS.get(error.code, "e")
    except ConnectionError:
        return "c"
    return "y"
