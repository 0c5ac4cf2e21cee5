#pragma once
// RouteTable: the worker's REST, a row per route. The router and the OpenAPI document are both made of it, so
// that they can't say different things.

#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "worker/rest_guard.h"

namespace weft::worker {

/// What a client has to know of a route. Texts are literals.
struct RouteNote {
    std::string_view summary;
    /// The parts of a multipart/form-data body, with blanks between: "functionConfig:json! data:file
    /// url:text"; ! stands behind those that must be there. Empty: no form.
    std::string_view form = "";
    /// The parameters behind the '?', with blanks between; ! as above.
    std::string_view query = "";
    bool json_body = false;
    int status = 200;                              // of success
    std::string_view answer = "application/json";  // its type; of no meaning with 204
};

class RouteTable {
  public:
    struct Row {
        std::string_view method;
        std::string pattern;
        Rule rule;  // who may
        RouteNote note;
        http::Handler handler;
    };
    void add(std::string_view method, std::string pattern, Rule rule, RouteNote note, http::Handler handler) {
        rows_.push_back({method, std::move(pattern), rule, note, std::move(handler)});
    }
    const std::vector<Row>& rows() const { return rows_; }

  private:
    std::vector<Row> rows_;
};

/// An OpenAPI 3.0 document of the rows.
std::string openapi_json(const std::vector<RouteTable::Row>& rows, std::string_view version);

}  // namespace weft::worker
