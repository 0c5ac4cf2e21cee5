// weft worker: a functions worker on a broker that is elsewhere. Wiring only.

#include <filesystem>

#include "commands.h"
#include "function_options.h"
#include "http/server.h"
#include "observe/log.h"
#include "service.h"
#include "store/file_system.h"
#include "worker/deployment_check.h"
#include "worker/worker.h"
#include "worker_settings.h"

namespace weft::app {

namespace {

namespace fs = std::filesystem;
using config::Type;

constexpr config::Option kOptions[] = {
    {.names = "-c, --conf",
     .value = "file",
     .help =
         "Pulsar's functions_worker.yml. Variables PF_key=value of the environment stand over it, options "
         "over both."},
    {.names = "--check",
     .help =
         "Only say what in the configuration is refused, misspelled or without effect, and which functions "
         "of the cluster that it names this worker could not run. Where the cluster can't be reached, "
         "that part is left out, and said."},
    {.names = "--with-cluster", .help = "With --check: fail where the cluster can't be reached."},
    {.names = "--print-config", .help = "Only print the configuration that would be used."},
    {.names = "--worker-port",
     .value = "port",
     .help = "Port of the functions REST; 0 takes a free one. Default: workerPort, or 6750",
     .type = Type::integer},
    {.names = "--worker-id", .value = "id", .help = "Instead of workerId."},
    {.names = "--worker-hostname",
     .value = "host",
     .help = "The host that other workers and clients are told, instead of workerHostname."},
    {.names = "--service-url", .value = "URL", .help = "The broker, instead of pulsarServiceUrl."},
    {.names = "--admin-url", .value = "URL", .help = "The broker's REST, instead of pulsarWebServiceUrl."},
    {.names = "--data-dir",
     .value = "directory",
     .help = "Where packages and running functions are kept, instead of downloadDirectory."},
    {.names = "--reschedule-after",
     .value = "milliseconds",
     .help = "How long a worker of the cluster that is gone may take to come back to its instances, before "
             "this one, where it leads, gives them to others. Default: rescheduleTimeoutMs, or 1500",
     .type = Type::integer},
    {.names = "--audit-log",
     .value = "file",
     .help = "Where it is written, as lines of JSON, who asked for what and whether it was allowed, once "
             "authenticationEnabled is true. Default: the log"},
    {.names = "--bind", .value = "address", .help = "Address to listen on.", .fallback = "127.0.0.1"},
    kPythonOption,
    kPythonRepositoryOption,
    kPythonExtraRepositoryOption,
    kPulsarHomeOption,
    kFunctionRuntimeOption,
    kFunctionCallLimitOption,
    kContainmentOption,
    kContainmentReadOption,
    kContainmentWriteOption,
    kInstanceUsersOption,
    kLogLevelOption,
};

// A folder is one worker's.
Result<std::unique_ptr<store::File>> take_folder(store::FileSystem& files, const fs::path& folder) {
    std::error_code unknown;  // then locking says what is wrong
    if (fs::exists(folder / "store", unknown)) {
        return fail(ErrorCode::invalid_argument, "--data-dir ", folder.native(),
                    ": it is the data directory of a `weft standalone`; name one of the worker's own");
    }
    auto made = files.make_directories(folder.native());
    if (!made)
        return std::unexpected(std::move(made).error().context(str_cat("--data-dir ", folder.native())));
    auto lock = files.lock((folder / "worker.lock").native());
    if (!lock)
        return std::unexpected(std::move(lock).error().context(str_cat("--data-dir ", folder.native())));
    return lock;
}

// A certificate that is not looked at keeps nobody out.
void warn_of_open_ears(const WorkerStart& start) {
    const auto& security = start.options.broker_security;
    if (!security::is_tls_url(start.service_url) && !security::is_tls_url(start.web_url)) return;
    if (security.verify_hostname && !security.allow_insecure) return;
    observe::Logger("worker").warn(
        "whoever stands between can pass for the broker: its certificate is not checked",
        {{"tlsAllowInsecureConnection", security.allow_insecure},
         {"tlsEnableHostnameVerification", security.verify_hostname}});
}

// What is sent beyond this machine in clear can be read, and a token used again.
void warn_of_clear_text(const WorkerStart& start) {
    if (!start.port || is_loopback(start.bind)) return;
    observe::Logger("worker").warn(
        "tokens and functions go over the network in clear on workerPort; set it to null once all use "
        "workerPortTls",
        {{"bind", start.bind}, {"workerPort", *start.port}});
}

class WorkerService final : public Service {
  public:
    static Result<std::unique_ptr<Service>> start(const WorkerStart& start) {
        auto self = std::make_unique<WorkerService>();
        WEFT_TRY_VOID(self->open(start));
        return self;
    }
    ~WorkerService() override {
        if (worker_) stop_worker(*worker_);
        server_.reset();
        server_tls_.reset();
    }
    bool ready() const override { return worker_->initialized(); }
    std::string ready_line() const override { return str_cat("ready ", urls_); }

  private:
    Result<> open(const WorkerStart& start) {
        WEFT_TRY(lock_, take_folder(*files_, start.options.data_dir));
        WEFT_TRY(worker_, worker::Worker::create(start.options));
        worker_->add_routes(router_);
        if (start.port) {
            WEFT_TRY(server_, listen(start, *start.port, nullptr, "--worker-port"));
        }
        if (start.tls) {
            WEFT_TRY(server_tls_, listen(start, start.port_tls, start.tls, "workerPortTls"));
        }
        warn_of_listeners(start);
        warn_of_open_ears(start);
        observe::Logger("worker").info("listening", {{"url", urls_}, {"broker", start.service_url}});
        const bool tls = server_tls_ != nullptr;  // where there is https, workers speak it with each other
        worker_->start({start.service_url, start.web_url, (tls ? server_tls_ : server_)->port(), tls});
        return {};
    }

    Result<std::unique_ptr<http::Server>> listen(const WorkerStart& start, std::uint16_t port,
                                                 std::shared_ptr<security::TlsServer> tls,
                                                 std::string_view option) {
        http::ServerOptions options = start.http;
        options.bind_address = start.bind;
        options.port = port;
        options.tls = tls;
        auto server = http::Server::start(std::move(options), router_);
        if (!server) return listen_error(std::move(server).error(), option, port);
        str_append(urls_, urls_.empty() ? "" : " ", tls ? "https://" : "http://",
                   start.bind.contains(':') ? str_cat('[', start.bind, ']') : start.bind, ':',
                   (*server)->port());
        return server;
    }
    void warn_of_listeners(const WorkerStart& start) const {
        if (start.options.access.authenticator) return warn_of_clear_text(start);
        warn_of_strangers(start.bind, ports());
    }
    std::string ports() const {
        std::string all;
        for (const auto* server : {server_.get(), server_tls_.get()}) {
            if (server) str_append(all, all.empty() ? "" : ", ", server->port());
        }
        return all;
    }

    // In the order of dependence: destroyed from the last to the first.
    std::unique_ptr<store::FileSystem> files_ = store::make_posix_file_system();
    std::unique_ptr<store::File> lock_;
    http::Router router_;
    std::unique_ptr<worker::Worker> worker_;
    std::unique_ptr<http::Server> server_, server_tls_;  // one of them may be missing
    std::string urls_;
};

constexpr Duration kLookPatience = 10s;  // at a cluster that may have many functions

// What the worker could not run of what is there; false: it must not take the place of a Java worker.
bool check_cluster(WorkerStart start, bool must_be_there) {
    auto& options = start.options;
    if (options.worker_id.empty()) options.worker_id = str_cat(options.hostname, '-', start.told_port());
    const auto view = worker::look_at_cluster(options, {start.service_url, start.web_url, start.told_port()},
                                              Deadline::after(kLookPatience));
    if (!view) {
        const std::string why = str_cat("the cluster at ", start.web_url, " and ", start.service_url,
                                        " was not looked at: ", view.error().message);
        if (must_be_there) return print_error(why), false;
        print(why);
        return true;
    }
    print(worker::summary_of(*view));
    bool good = true;
    for (const auto& finding : worker::examine_swap(*view, options)) {
        const bool stops = finding.kind == worker::SwapFinding::Kind::stops;
        good = good && !stops;
        if (stops)
            print_error(str_cat("refused: ", finding.text));
        else if (finding.kind == worker::SwapFinding::Kind::beside_java)
            print(str_cat("beside Java workers: ", finding.text));
        else
            print(str_cat("before the last Java worker goes: ", finding.text));
    }
    return good;
}

// Everything that can be said of the configuration. Fails when a start would, or would be in vain.
int check(const config::Settings& settings, const Result<WorkerStart>& start, bool with_cluster) {
    using Kind = config::Finding::Kind;
    bool wrong = !start;
    for (const auto& finding : config::examine(config::worker_keys(), settings)) {
        if (finding.kind == Kind::refused) continue;  // in start's message
        wrong = wrong || finding.kind == Kind::unknown;
        print(str_cat(finding.kind == Kind::unknown ? "unknown: " : "no effect: ", finding.text));
    }
    if (!start) print_error(start.error().message);
    if (start && !check_cluster(*start, with_cluster)) wrong = true;
    if (!wrong) print("the configuration can be used");
    return wrong ? kFailed : kDone;
}

int run(const Call& call) {
    const auto settings = read_worker_settings(call.arguments.text("--conf"));
    if (!settings) return print_error(str_cat("weft worker: ", settings.error().message)), kFailed;
    const auto start = worker_start_of(*settings, call.arguments);
    if (call.arguments.is_set("--check"))
        return check(*settings, start, call.arguments.is_set("--with-cluster"));
    if (!start) return print_error(str_cat("weft worker: ", start.error().message)), kFailed;
    if (call.arguments.is_set("--print-config")) {
        std::string text = effective_config(*start, *settings);
        text.pop_back();  // print() ends the line
        return print(text), kDone;
    }
    return serve(call, [&]() -> Result<std::unique_ptr<Service>> {
        log_findings(config::examine(config::worker_keys(), *settings));
        return WorkerService::start(*start);
    });
}

}  // namespace

Entry worker_command() {
    return {.word = "worker",
            .summary = "Run a functions worker on a broker that is elsewhere",
            .options = kOptions,
            .takes = Takes::nothing,
            .run = run};
}

}  // namespace weft::app
