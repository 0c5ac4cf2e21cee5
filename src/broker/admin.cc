#include "broker/engine.h"
namespace weft::broker {
void Engine::add_routes(http::Router&) {}
}  // namespace weft::broker
