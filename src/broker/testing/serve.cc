// weft_broker_serve DIR PORT WEB_PORT [page_cache]: the broker alone, for profiling and for trying things by
// hand.

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <span>
#include <thread>

#include "async/loop.h"
#include "broker/broker.h"
#include "http/server.h"
#include "store/store.h"

namespace {

weft::Result<> serve(std::span<char*> arguments) {
    using namespace weft;
    if (arguments.size() < 4)
        return fail(ErrorCode::invalid_argument, "usage: DIR PORT WEB_PORT [page_cache]");
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    async::Loop loop;
    const auto files = store::make_posix_file_system();
    store::StoreOptions storage;
    storage.directory = arguments[1];
    if (arguments.size() > 4) storage.durability = store::Durability::page_cache;
    WEFT_TRY(auto store, store::Store::open(*files, loop, storage));
    broker::BrokerOptions options;
    options.port = static_cast<std::uint16_t>(std::atoi(arguments[2]));
    WEFT_TRY(auto broker, broker::Broker::create(loop, *store, options));
    http::Router router;
    broker->add_routes(router);
    http::ServerOptions web;
    web.port = static_cast<std::uint16_t>(std::atoi(arguments[3]));
    WEFT_TRY(auto server, http::Server::start(web, router));
    broker->set_web_urls(str_cat("http://127.0.0.1:", server->port()), "");
    std::cerr << "ready " << broker->service_url() << " http://127.0.0.1:" << server->port() << std::endl;
    std::jthread waiter([&] {
        int signal = 0;
        sigwait(&ends, &signal);
        loop.stop();
    });
    loop.run();
    server.reset();
    broker->stop();
    return {};
}

}  // namespace

int main(int count, char** arguments) {
    const auto served = serve({arguments, static_cast<std::size_t>(count)});
    if (served) return 0;
    std::cerr << served.error().message << "\n";
    return 1;
}
