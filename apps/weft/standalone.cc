// weft standalone: broker, functions worker and their REST in one process. Wiring only.

#include <malloc.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "async/loop.h"
#include "broker/broker.h"
#include "commands.h"
#include "http/server.h"
#include "observe/log.h"
#include "service_manager.h"
#include "store/file_system.h"
#include "store/store.h"
#include "worker/worker.h"

namespace weft::app {

namespace {

using config::Type;

constexpr config::Option kOptions[] = {
    {.names = "--data-dir",
     .value = "directory",
     .help = "Where everything is kept; made if it is missing.",
     .fallback = "weft-data"},
    {.names = "--broker-port",
     .value = "port",
     .help = "Port of Pulsar's binary protocol; 0 takes a free one.",
     .type = Type::integer,
     .fallback = "6650"},
    {.names = "--web-port",
     .value = "port",
     .help = "Port of the admin and functions REST; 0 takes a free one.",
     .type = Type::integer,
     .fallback = "8080"},
    {.names = "--bind", .value = "address", .help = "Address to listen on.", .fallback = "127.0.0.1"},
    {.names = "--advertised-address",
     .value = "host",
     .help = "The host that clients are told. Default: the address of --bind"},
    {.names = "--durability",
     .value = "class",
     .help = "What a send receipt means: the message is on the disk (sync), or with the kernel (page_cache).",
     .choices = "sync|page_cache",
     .fallback = "sync"},
    {.names = "--python",
     .value = "program",
     .help = "The Python whose packages functions see.",
     .fallback = "python3"},
    {.names = "--python-dependency-repository",
     .value = "URL",
     .help = "Where pip looks for what Python packages require. Default: nowhere, they bring it or it is "
             "installed"},
    {.names = "--python-extra-dependency-repository", .value = "URL", .help = "A second one."},
    {.names = "--function-runtime",
     .value = "kind",
     .help = "What runs an instance of a C++ function: a process of its own, or a thread of this one, which "
             "takes less "
             "memory and in which a crash of the function ends everything. Python functions are processes "
             "always.",
     .choices = "process|thread",
     .fallback = "process"},
    {.names = "--function-call-limit",
     .value = "seconds",
     .help = "A call of a function that lasts longer (and longer than the function's timeoutMs) hangs: the "
             "instance "
             "is killed and started again. 0: a call may last for ever.",
     .type = Type::integer,
     .fallback = "300"},
    {.names = "--no-functions-worker", .help = "Run the broker alone."},
    {.names = "--log-level",
     .value = "level",
     .help = "Logs go to standard error.",
     .choices = "debug|info|warn|error|off",
     .fallback = "info"},
};
constexpr std::int64_t kCallLimitSecondsMax = 30LL * 24 * 3600;
observe::Level level_of(std::string_view name) {
    if (name == "debug") return observe::Level::debug;
    if (name == "warn") return observe::Level::warn;
    if (name == "error") return observe::Level::error;
    return name == "off" ? observe::Level::off : observe::Level::info;
}

Result<std::uint16_t> port_of(const config::Arguments& arguments, std::string_view name) {
    const std::int64_t port = arguments.integer(name);
    if (port < 0 || port > 65535)
        return fail(ErrorCode::invalid_argument, name, ' ', port,
                    ": a port is from 1 to 65535, or 0 for a free one");
    return static_cast<std::uint16_t>(port);
}

// Signals that end the program, as something to wait for. The handlers stay as they are for the process's
// life; no signal is blocked, because children would inherit that.
class EndSignal {
  public:
    EndSignal() {
        fd_ = ::eventfd(0, EFD_CLOEXEC);
        struct sigaction action{};
        action.sa_handler = [](int) {
            const int saved = errno;
            const std::uint64_t one = 1;
            (void)!::write(fd_, &one, sizeof one);
            errno = saved;
        };
        ::sigaction(SIGTERM, &action, nullptr);
        ::sigaction(SIGINT, &action, nullptr);
        // A reader of our output that goes away must not end us. Not SIG_IGN: children would inherit that.
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGPIPE, &action, nullptr);
    }
    void wait() {
        std::uint64_t count = 0;
        while (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
        }
    }

  private:
    static inline int fd_ = -1;  // a signal handler reaches nothing but globals
};

// Thousands of connections need as many descriptors.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        observe::Logger("standalone")
            .warn("can't raise the limit of open files", {{"reason", std::strerror(errno)}});
}

class Standalone {
  public:
    /// Opens everything and serves; the ports accept when it returns.
    static Result<std::unique_ptr<Standalone>> start(const config::Arguments& arguments) {
        auto self = std::make_unique<Standalone>();
        WEFT_TRY_VOID(self->open(arguments));
        self->thread_ = std::thread([&loop = self->loop_] { loop.run(); });
        ::pthread_setname_np(self->thread_.native_handle(), "broker");
        return self;
    }
    ~Standalone() {
        if (worker_) {
            worker_->stop(Deadline::after(10s));
            if (worker_->threads_left_behind() != 0) {
                // They run on in memory that would be taken down now. What was confirmed is on the disk.
                observe::Logger("standalone").error("ends at once: threads of functions do not end");
                std::_Exit(1);
            }
        }
        server_.reset();
        worker_.reset();
        if (!thread_.joinable()) return;
        loop_.post([this] {
            broker_->stop();
            loop_.stop();
        });
        thread_.join();
    }

    std::string ready_line() const { return str_cat("ready ", broker_->service_url(), ' ', web_url_); }

  private:
    Result<> open(const config::Arguments& arguments) {
        const std::filesystem::path data_dir = arguments.text("--data-dir");
        WEFT_TRY(const auto broker_port, port_of(arguments, "--broker-port"));
        WEFT_TRY(const auto web_port, port_of(arguments, "--web-port"));
        const std::string bind = arguments.text("--bind");

        store::StoreOptions store_options;
        store_options.directory = data_dir / "store";
        if (arguments.text("--durability") == "page_cache")
            store_options.durability = store::Durability::page_cache;
        store_options.ledger_name = broker::topic_of_ledger;
        WEFT_TRY_VOID(check_data_dir(data_dir));
        auto store = store::Store::open(*files_, loop_, std::move(store_options));
        if (!store) return data_dir_error(std::move(store).error(), data_dir);
        store_ = std::move(*store);

        broker::BrokerOptions broker_options;
        broker_options.bind_address = bind;
        broker_options.port = broker_port;
        broker_options.advertised_address = arguments.text("--advertised-address");
        auto broker = broker::Broker::create(loop_, *store_, std::move(broker_options));
        if (!broker) return listen_error(std::move(broker).error(), "--broker-port", broker_port);
        broker_ = std::move(*broker);
        broker_->add_routes(router_);

        if (!arguments.is_set("--no-functions-worker")) {
            worker::WorkerOptions worker_options;
            worker_options.data_dir = data_dir;
            worker_options.python = arguments.text("--python");
            worker_options.python_dependency_repository = arguments.text("--python-dependency-repository");
            worker_options.python_extra_dependency_repository =
                arguments.text("--python-extra-dependency-repository");
            if (arguments.text("--function-runtime") == "thread")
                worker_options.function_runtime = worker::FunctionRuntime::thread;
            const std::int64_t call_limit = arguments.integer("--function-call-limit");
            if (call_limit < 0 || call_limit > kCallLimitSecondsMax) {
                return fail(ErrorCode::invalid_argument, "--function-call-limit ", call_limit,
                            ": it is from 1 to ", kCallLimitSecondsMax, " seconds, or 0 for none");
            }
            worker_options.call_limit = std::chrono::seconds(call_limit);
            WEFT_TRY(worker_, worker::Worker::create(std::move(worker_options)));
            worker_->add_routes(router_);
        }

        auto server = http::Server::start({.bind_address = bind, .port = web_port, .threads = 16}, router_);
        if (!server) return listen_error(std::move(server).error(), "--web-port", web_port);
        server_ = std::move(*server);
        warn_of_strangers(bind);
        const std::string service_url = broker_->service_url();  // pulsar://host:port
        const std::size_t host = service_url.find("://") + 3;
        web_url_ =
            str_cat("http://", service_url.substr(host, service_url.rfind(':') - host), ':', server_->port());
        broker_->set_web_url(web_url_);
        if (worker_) worker_->start({service_url, web_url_, server_->port()});
        return {};
    }

    static Result<> check_data_dir(const std::filesystem::path& data_dir) {
        std::error_code unknown;  // then opening says what is wrong
        if (std::filesystem::exists(data_dir, unknown) && !std::filesystem::is_directory(data_dir, unknown)) {
            return fail(ErrorCode::invalid_argument, "--data-dir ", data_dir.native(),
                        ": this is a file; name a directory, or a path where nothing is yet");
        }
        return {};
    }

    static std::unexpected<Error> data_dir_error(Error error, const std::filesystem::path& data_dir) {
        if (error.code == ErrorCode::io)
            error.message += str_cat("; make ", data_dir.native(),
                                     " writable for this user, or name another data directory");
        return std::unexpected(std::move(error).context(str_cat("--data-dir ", data_dir.native())));
    }

    // There is no authentication yet: whoever reaches the ports may do everything, also run code.
    void warn_of_strangers(const std::string& bind) {
        if (bind == "localhost" || bind == "::1" || bind.starts_with("127.")) return;
        observe::Logger("standalone")
            .warn(
                "listening beyond this machine without authentication: whoever reaches the ports can read "
                "and "
                "change everything and run functions; keep them behind a firewall, or use --bind 127.0.0.1",
                {{"bind", bind}, {"ports", str_cat(broker_->port(), ", ", server_->port())}});
    }

    static std::unexpected<Error> listen_error(Error error, std::string_view option, std::uint16_t port) {
        if (error.code == ErrorCode::conflict)
            error.message += "; stop it, or choose another port (0 takes a free one)";
        return std::unexpected(std::move(error).context(str_cat(option, ' ', port)));
    }

    // In the order of dependence: destroyed from the last to the first.
    std::unique_ptr<store::FileSystem> files_ = store::make_posix_file_system();
    async::Loop loop_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<broker::Broker> broker_;
    http::Router router_;
    std::unique_ptr<worker::Worker> worker_;
    std::unique_ptr<http::Server> server_;
    std::string web_url_;
    std::thread thread_;  // runs loop_
};

int run(const Call& call) {
    ::mallopt(M_ARENA_MAX, 2);  // an arena per thread would cost megabytes at rest
    observe::set_level(level_of(call.arguments.text("--log-level")));
    raise_descriptor_limit();
    EndSignal end;
    const ServiceManager service_manager;
    auto standalone = Standalone::start(call.arguments);
    if (!standalone) return print_error(str_cat("weft standalone: ", standalone.error().message)), kFailed;
    print((*standalone)->ready_line());
    service_manager.tell("READY=1");
    end.wait();
    service_manager.tell("STOPPING=1");
    observe::Logger("standalone").info("stopping");
    standalone->reset();
    return kDone;
}

}  // namespace

Entry standalone_command() {
    return {.word = "standalone",
            .summary = "Run a broker and a functions worker in this process",
            .options = kOptions,
            .takes = Takes::nothing,
            .run = run};
}

}  // namespace weft::app
