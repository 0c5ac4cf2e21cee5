// weft standalone: broker, functions worker and their REST in one process. Wiring only.

#include <pthread.h>

#include <filesystem>
#include <thread>

#include "async/loop.h"
#include "broker/broker.h"
#include "commands.h"
#include "function_options.h"
#include "http/server.h"
#include "pulsar/one_broker.h"
#include "service.h"
#include "standalone_settings.h"
#include "store/file_system.h"
#include "store/store.h"
#include "worker/absent_worker.h"
#include "worker/worker.h"

namespace weft::app {

namespace {

using config::Type;

constexpr config::Option kOptions[] = {
    {.names = "--conf",
     .value = "file",
     .help = "Pulsar's standalone.conf or broker.conf. Variables of the environment with the names of its "
             "keys stand "
             "over it, options over both."},
    {.names = "--functions-worker-conf", .value = "file", .help = "Pulsar's functions_worker.yml."},
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
    {.names = "--no-functions-worker", .help = "Run the broker alone."},
    kLogLevelOption,
};

class Standalone final : public Service {
  public:
    /// Opens everything and serves; the ports accept when it returns.
    static Result<std::unique_ptr<Service>> start(const config::Arguments& arguments) {
        auto self = std::make_unique<Standalone>();
        WEFT_TRY_VOID(self->open(arguments));
        self->thread_ = std::thread([&loop = self->loop_] { loop.run(); });
        ::pthread_setname_np(self->thread_.native_handle(), "broker");
        return self;
    }
    ~Standalone() override {
        if (worker_) stop_worker(*worker_);
        server_.reset();
        server_tls_.reset();
        worker_.reset();
        if (!thread_.joinable()) return;
        loop_.post([this] {
            broker_->drain([this] {
                broker_->stop();
                loop_.stop();
            });
        });
        thread_.join();
    }

    std::string ready_line() const override {
        std::string line = "ready";
        for (const auto& url : {broker_->service_url(), web_url_, broker_->service_url_tls(), web_url_tls_}) {
            if (!url.empty()) str_append(line, ' ', url);
        }
        return line;
    }

  private:
    Result<> open(const config::Arguments& arguments) {
        WEFT_TRY(const StandaloneStart start, standalone_start_of(arguments));
        WEFT_TRY_VOID(open_store(start));
        auto broker = broker::Broker::create(loop_, *store_, start.broker);
        if (!broker)
            return listen_error(std::move(broker).error(), "--broker-port", start.broker.port.value_or(0));
        broker_ = std::move(*broker);
        broker_->add_routes(router_);
        if (start.worker) {
            WEFT_TRY(worker_, worker::Worker::create(*start.worker));
            worker_->add_routes(router_);
        } else {
            worker::add_absent_worker_routes(router_);
        }
        WEFT_TRY_VOID(listen(start));
        if (worker_) worker_->start(own_way(start));
        return {};
    }

    Result<> listen(const StandaloneStart& start) {
        const auto serve_http = [&](std::uint16_t port, std::shared_ptr<security::TlsServer> tls) {
            http::ServerOptions options = start.http;
            options.bind_address = start.broker.bind_address;
            options.port = port;
            options.tls = std::move(tls);
            return http::Server::start(std::move(options), router_);
        };
        std::string ports;
        const auto take = [&](std::uint16_t port) {
            if (port != 0) str_append(ports, ports.empty() ? "" : ", ", port);
        };
        take(broker_->port());
        take(broker_->port_tls());
        if (start.web_port) {
            auto server = serve_http(*start.web_port, nullptr);
            if (!server) return listen_error(std::move(server).error(), "--web-port", *start.web_port);
            server_ = std::move(*server);
            web_url_ = str_cat("http://", broker_->advertised_host(), ':', server_->port());
            take(server_->port());
        }
        if (const auto port = start.security.web_port_tls) {
            auto server = serve_http(*port, start.security.web_tls);
            if (!server) return listen_error(std::move(server).error(), "webServicePortTls", *port);
            server_tls_ = std::move(*server);
            web_url_tls_ = str_cat("https://", broker_->advertised_host(), ':', server_tls_->port());
            take(server_tls_->port());
        }
        if (!start.broker.access.authenticator) warn_of_strangers(start.broker.bind_address, ports);
        broker_->set_web_urls(web_url_, web_url_tls_);
        return {};
    }

    // The worker goes where the ports are bound: what others are told may not be reached from here.
    worker::Endpoints own_way(const StandaloneStart& start) const {
        const std::string& bind = start.broker.bind_address;
        std::string host = bind == "0.0.0.0" ? "127.0.0.1" : bind == "::" ? "::1" : bind;
        if (host.contains(':')) host = str_cat('[', host, ']');
        const bool tls = start.security.own_over_tls;
        const bool broker_tls = tls || broker_->port() == 0, web_tls = tls || !server_;
        const std::uint16_t web_port = (web_tls ? server_tls_ : server_)->port();
        return {str_cat(broker_tls ? "pulsar+ssl://" : "pulsar://", host, ':',
                        broker_tls ? broker_->port_tls() : broker_->port(), pulsar::kOneBroker),
                str_cat(web_tls ? "https://" : "http://", host, ':', web_port), web_port, web_tls};
    }

    Result<> open_store(const StandaloneStart& start) {
        store::StoreOptions options;
        options.directory = start.data_dir / "store";
        options.durability = start.durability;
        options.ledger_name = broker::topic_of_ledger;
        WEFT_TRY_VOID(check_data_dir(start.data_dir));
        auto store = store::Store::open(*files_, loop_, std::move(options));
        if (!store) return data_dir_error(std::move(store).error(), start.data_dir);
        store_ = std::move(*store);
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

    // In the order of dependence: destroyed from the last to the first.
    std::unique_ptr<store::FileSystem> files_ = store::make_posix_file_system();
    async::Loop loop_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<broker::Broker> broker_;
    http::Router router_;
    std::unique_ptr<worker::Worker> worker_;
    std::unique_ptr<http::Server> server_, server_tls_;
    std::string web_url_, web_url_tls_;
    std::thread thread_;  // runs loop_
};

int run(const Call& call) {
    return serve(call, [&] { return Standalone::start(call.arguments); });
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
