"""The Python side of Weft's Python host: finds the user's function, and is the Context that it sees.

Runs inside the instance, as module `_weft_host`. `_weft` is the C++ side; its functions speak of the message that is
being processed. Nothing is imported before it is needed: this file is part of each start.
"""
import sys

import _weft


# --- The public SDK, where it is not installed -----------------------------------------------------------------------
class Function(object):
    """Interface of a Pulsar function."""

    def process(self, input, context):
        raise NotImplementedError("process(self, input, context)")


class SerDe(object):
    """Turns bytes into what a function takes, and what it gives into bytes."""

    def serialize(self, input):
        raise NotImplementedError("serialize(self, input)")

    def deserialize(self, input_bytes):
        raise NotImplementedError("deserialize(self, input_bytes)")


class PickleSerDe(SerDe):
    def serialize(self, input):
        import pickle
        return pickle.dumps(input)

    def deserialize(self, input_bytes):
        import pickle
        return pickle.loads(input_bytes)


class IdentitySerDe(SerDe):
    """Numbers and text as text, anything else as the bytes it is."""

    def serialize(self, input):
        return _weft.identity_serialize(input)

    def deserialize(self, input_bytes):
        return _weft.identity_deserialize(input_bytes)


class Context(object):
    """What a function can ask about its message and do: the interface of the public SDK."""


class MessageId(object):
    """Where a message stands in its topic."""

    def __init__(self, partition=-1, ledger_id=-1, entry_id=-1, batch_index=-1):
        self._parts = (ledger_id, entry_id, batch_index, partition)

    def ledger_id(self):
        return self._parts[0]

    def entry_id(self):
        return self._parts[1]

    def batch_index(self):
        return self._parts[2]

    def partition(self):
        return self._parts[3]

    def serialize(self):
        ledger, entry, batch_index, partition = self._parts
        return _weft.serialize_message_id(ledger, entry, partition, batch_index)

    def __str__(self):
        ledger, entry, batch_index, partition = self._parts
        return f"({ledger},{entry},{partition},{batch_index})"

    def __eq__(self, other):
        return isinstance(other, MessageId) and self._parts == other._parts

    def __lt__(self, other):
        return self._parts < other._parts

    def __le__(self, other):
        return self._parts <= other._parts

    def __hash__(self):
        return hash(self._parts)


class Result(object):
    """How a publish ended, for its callback."""
    Ok = "Ok"
    UnknownError = "UnknownError"


class _SdkFinder(object):
    """Stands last in sys.meta_path, so that an installed `pulsar` comes first."""

    NAMES = ("pulsar", "pulsar.functions", "pulsar.functions.function", "pulsar.functions.context",
             "pulsar.functions.serde")

    def find_spec(self, name, path=None, target=None):
        if name not in self.NAMES:
            return None
        if name != "pulsar" and not getattr(sys.modules.get("pulsar"), "__weft__", False):
            return None
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, self, is_package=name in ("pulsar", "pulsar.functions"))

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__weft__ = True
        for item in (Function, SerDe, PickleSerDe, IdentitySerDe, Context, MessageId, Result):
            setattr(module, item.__name__, item)

        def missing(name):
            if name.startswith("_"):
                raise AttributeError(name)
            raise ImportError(f"pulsar.{name} is part of the package pulsar-client, which is not installed in this "
                              f"environment ({sys.prefix}); Weft itself brings only the functions' SDK")
        module.__getattr__ = missing


# --- Logs -------------------------------------------------------------------------------------------------------------
class _Stream(object):
    """Standard output and error of user code: each line becomes a line of the function's log."""
    encoding = "utf-8"
    errors = "replace"

    def __init__(self, level):
        self._level = level
        self._line = ""

    def write(self, text):
        self._line += text
        while "\n" in self._line:
            line, self._line = self._line.split("\n", 1)
            if line.strip():
                _weft.log(self._level, line.rstrip())
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False

    def writable(self):
        return True


_logger = None


def logger():
    """The root logger, as the public Python instance gives it, with one handler: the function's log."""
    global _logger
    import logging  # which may come back here, by _LoggingHook
    if _logger is None:

        class Handler(logging.Handler):
            def emit(self, record):
                level = record.levelno
                try:
                    _weft.log(3 if level >= 40 else 2 if level >= 30 else 1 if level >= 20 else 0, self.format(record))
                except Exception:
                    self.handleError(record)

        _logger = logging.getLogger()
        _logger.addHandler(Handler())
        _logger.setLevel(logging.INFO)
    return _logger


class _LoggingHook(object):
    """Sets up logging as soon as somebody imports it, so that a basicConfig() of user code finds it done."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        from importlib.machinery import PathFinder
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                logger()
            spec.loader.exec_module = exec_module
        return spec


# --- The context ------------------------------------------------------------------------------------------------------
_STATE = ("the state of functions (counters, put_state, get_state) is not available in this version of Weft: "
          "keep state outside, or in the function itself")


class _Context(object):
    def __init__(self, info):
        self._info = info
        self._user_config = _members(info["user_config"])
        self._secrets = _members(info["secrets"])
        self._serdes = {}
        self._callbacks = {}
        self._last_token = 0
        self._client = None

    # The message.
    def get_message_id(self):
        ledger, entry, partition, batch_index = _weft.message_id()
        pulsar = sys.modules.get("pulsar")
        if pulsar is not None and hasattr(pulsar, "_pulsar"):
            return pulsar._pulsar.MessageId(partition, ledger, entry, batch_index)
        return MessageId(partition, ledger, entry, batch_index)

    def get_message_key(self):
        return _weft.key()

    def get_partition_key(self):
        return _weft.key()

    def get_ordering_key(self):
        return _weft.ordering_key()

    def get_message_eventtime(self):
        return _weft.event_time()

    def get_message_properties(self):
        return _weft.properties()

    def get_current_message_topic_name(self):
        return _weft.topic()

    def get_message_sequence_id(self):
        ledger, entry, _, _ = _weft.message_id()
        return (ledger << 28) | entry

    def get_message_partition_index(self):
        return _weft.message_id()[2]

    # The function.
    def get_function_name(self):
        return self._info["name"]

    def get_function_tenant(self):
        return self._info["tenant"]

    def get_function_namespace(self):
        return self._info["namespace"]

    def get_function_id(self):
        return self._info["id"]

    def get_function_version(self):
        return self._info["version"]

    def get_instance_id(self):
        return self._info["instance_id"]

    def get_input_topics(self):
        return list(self._info["input_topics"])

    def get_output_topic(self):
        return self._info["output_topic"]

    def get_output_serde_class_name(self):
        return self._info["output_serde"]

    def get_user_config_value(self, key):
        return self._user_config.get(key)

    def get_user_config_map(self):
        return self._user_config

    def get_secret(self, secret_key):
        return self._secrets.get(secret_key)

    def get_logger(self):
        return _logger or logger()

    def record_metric(self, metric_name, metric_value):
        _weft.record_metric(str(metric_name), float(metric_value))

    # Doing.
    def publish(self, topic_name, message, serde_class_name="serde.IdentitySerDe", properties=None,
                compression_type=None, callback=None, message_conf=None):
        serialize = self._serdes.get(serde_class_name)
        if serialize is None:
            serialize = _serde(self._info, str(serde_class_name)).serialize
            self._serdes[serde_class_name] = serialize
        payload = bytes(serialize(message))
        key = ordering_key = None
        event_time = 0
        if message_conf:
            conf = dict(message_conf)
            own = conf.pop("properties", None)
            properties = properties or own
            key = conf.pop("partition_key", None) or None
            ordering_key = conf.pop("ordering_key", None) or None
            event_time = conf.pop("event_timestamp", None) or 0
            for name, value in conf.items():
                if value not in (None, False):
                    raise ValueError(f"publish: message_conf[{name!r}] is not served by this version of Weft")
        token = 0
        if callback is not None:
            token = self._last_token = self._last_token + 1
            self._callbacks[token] = callback
        _weft.publish(str(topic_name), payload, key, ordering_key, properties, event_time, token)

    def ack(self, msgid, topic):
        _weft.ack(str(topic), msgid.serialize())

    def get_pulsar_client(self):
        if self._client is None:
            import pulsar
            if getattr(pulsar, "__weft__", False):
                raise RuntimeError("get_pulsar_client() needs the package pulsar-client, which is not installed in "
                                   f"this environment ({sys.prefix})")
            self._client = pulsar.Client(self._info["service_url"], **_security(pulsar, self._info["security"]))
        return self._client

    # State.
    def incr_counter(self, key, amount):
        raise NotImplementedError(_STATE)

    def get_counter(self, key):
        raise NotImplementedError(_STATE)

    def del_counter(self, key):
        raise NotImplementedError(_STATE)

    def put_state(self, key, value):
        raise NotImplementedError(_STATE)

    def get_state(self, key):
        raise NotImplementedError(_STATE)


def _security(pulsar, settings):
    """What pulsar.Client has to be told to be let in as this function's own client is."""
    insecure, verify, trust_certs, plugin, params = settings
    told = {"tls_allow_insecure_connection": insecure, "tls_validate_hostname": verify and not insecure}
    if trust_certs:
        told["tls_trust_certs_file_path"] = trust_certs
    import json
    name, params = plugin.rpartition(".")[2], params.strip()
    if name in ("AuthenticationToken", "token") and not params.startswith(("token:", "file:")):
        params = "token:" + (json.loads(params)["token"] if params.startswith("{") else params)
    if name in ("AuthenticationOAuth2", "oauth2"):
        given = json.loads(params)
        if "trustCertsFilePath" in given:
            told.setdefault("tls_trust_certs_file_path", given["trustCertsFilePath"])
        told["authentication"] = pulsar.AuthenticationOauth2(json.dumps(_oauth2(given)))
    elif name == "AuthenticationBasic" or name == "basic":
        who = json.loads(params)
        told["authentication"] = pulsar.AuthenticationBasic(who["userId"], who.get("password", ""))
    elif name not in ("", "AuthenticationDisabled"):
        told["authentication"] = pulsar.Authentication(plugin, params)
    return told


def _oauth2(params):
    """The Java client's parameters in the words of the Python client."""
    words = {"issuerUrl": "issuer_url", "privateKey": "private_key"}
    known = ("issuer_url", "private_key", "audience", "scope", "client_id", "client_secret")
    told = {words.get(name, name): value for name, value in params.items()}
    return {name: value for name, value in told.items() if name in known}


def _members(text):
    if not text:
        return {}
    import json
    return json.loads(text)


# --- Loading ----------------------------------------------------------------------------------------------------------
def _import(info, name):
    """The object that `module.Name` names; the module lies beside the user's file, or is any other that can be imported."""
    module_name, _, attribute = name.rpartition(".")
    if module_name in ("serde", "pulsar.functions.serde") and attribute in ("IdentitySerDe", "PickleSerDe"):
        return globals()[attribute]
    if not module_name:
        raise ValueError(f"'{name}' must be written as module.Name")
    return getattr(_module(info, module_name), attribute)


def _module(info, name):
    import importlib
    path, stem = info["path"], info["stem"]
    if stem and name != stem and name.partition(".")[0] == name and name not in sys.modules:
        import os
        if not os.path.exists(os.path.join(os.path.dirname(path), name + ".py")):
            # The user's file under a name that is not its module's.
            from importlib.util import find_spec, module_from_spec, spec_from_file_location
            if find_spec(name) is None:
                spec = spec_from_file_location(name, path)
                module = module_from_spec(spec)
                sys.modules[name] = module
                spec.loader.exec_module(module)
                return module
    return importlib.import_module(name)


def _serde(info, name):
    return _import(info, name or "serde.IdentitySerDe")()


def _wants_context(function):
    """Whether a plain function takes (input, context) or only (input)."""
    import inspect
    try:
        inspect.signature(function).bind(None, None)
        return True
    except TypeError:
        return False
    except ValueError:  # no signature to be had: built in
        return False


def _function(info):
    """(what to call, whether with the context)"""
    name = info["class_name"]
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        module = _module(info, info["stem"] if info["stem"] and hasattr(_module(info, info["stem"]), name) else name)
        found = getattr(module, name, module)
    else:
        found = getattr(_module(info, module_name), attribute)
    if isinstance(found, type):
        found = found()
        if hasattr(found, "process"):
            return found.process, True
    elif hasattr(found, "process"):  # a module, or an object
        found = found.process
    if not callable(found):
        raise TypeError(f"'{name}' is neither a class with process(self, input, context) nor a function")
    return found, _wants_context(found)


def _codec(info, serde, schema, method):
    """None: as IdentitySerDe does, which the C++ side knows by itself; "str" or "bytes"; else what to call."""
    if schema.upper() == "STRING":
        return "str"
    if schema.upper() in ("BYTES", "NONE"):
        return "bytes"
    if schema:
        raise ValueError(f"schema type {schema!r} is not served for Python functions by this version of Weft: "
                         "use STRING, BYTES or a serde class")
    if not serde:
        return None
    instance = _serde(info, serde)
    if type(instance) is IdentitySerDe:
        return None
    return getattr(instance, method)


def setup(info):
    """Loads the function: (callable, with context, context, input codecs, output codec, published)."""
    import faulthandler
    import os

    import _signal
    # How the supervisor asks where a function that makes no progress stands; written without the interpreter's help.
    faulthandler.register(_signal.SIGUSR2, file=2, all_threads=True, chain=False)
    sys.meta_path.append(_SdkFinder())
    sys.meta_path.insert(0, _LoggingHook())
    sys.stdout, sys.stderr = _Stream(1), _Stream(3)
    if info["site_packages"]:
        import site
        site.addsitedir(info["site_packages"])
    is_folder = os.path.isdir(info["path"])  # of a package with several modules; else one file, and its name matters
    sys.path.insert(0, info["path"] if is_folder else os.path.dirname(info["path"]))
    info["stem"] = "" if is_folder else os.path.splitext(os.path.basename(info["path"]))[0]
    function, with_context = _function(info)
    inputs = [_codec(info, serde, schema, "deserialize") for serde, schema in info["inputs"]]
    output = _codec(info, info["output_serde"], info["output_schema"], "serialize")
    bases = (_Context,)
    sdk = getattr(sys.modules.get("pulsar"), "Context", None)
    if isinstance(sdk, type):
        bases += (sdk,)
    context = type("ContextImpl", bases, {})(info)
    import gc
    gc.collect()
    gc.freeze()
    return function, with_context, context, inputs, output, lambda *args: _published(context, *args)


def _published(context, token, serialized_id, error):
    callback = context._callbacks.pop(token, None)
    if callback is None:
        return
    pulsar = sys.modules.get("pulsar")
    real = pulsar is not None and hasattr(pulsar, "_pulsar")
    results = pulsar.Result if real else Result
    if error:
        logger().error("Failed to publish: %s", error)
        callback(results.UnknownError, None)
        return
    ledger, entry, partition, batch_index = _weft.parse_message_id(serialized_id)
    made = pulsar._pulsar.MessageId if real else MessageId
    callback(results.Ok, made(partition, ledger, entry, batch_index))


def describe(error):
    """(what, stack) of an exception."""
    import traceback
    what = traceback.format_exception_only(type(error), error)[-1].strip()
    return what, "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def close():
    import atexit
    atexit._run_exitfuncs()

