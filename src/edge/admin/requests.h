// Reading what a request asks for: query parameters and JSON bodies, strictly. An unknown or misspelt one is an error,
// never ignored.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "flow/operations.h"
#include "format/json/json.h"
#include "os/http_server.h"

namespace minato::admin {

// kRefused, naming the first parameter that is not among `known`, or that stands twice.
Status only_parameters(const http::Request& request, std::initializer_list<std::string_view> known);
Status only_members(json::Value object, std::initializer_list<std::string_view> known);

// A member of a JSON body; false when it is not there. kRefused: of another type, so that "yes" is never read as false.
Result<bool> flag_member(json::Value object, std::string_view name);

std::optional<std::string> text_parameter(const http::Request& request, std::string_view name);
// kRefused: not a number from `min` to `max`.
Result<std::uint64_t> number_parameter(const http::Request& request, std::string_view name, std::uint64_t otherwise,
                                       std::uint64_t max);
Result<std::optional<Time>> time_parameter(const http::Request& request, std::string_view name);
Result<Seq> seq_in_path(const http::Request& request, std::string_view name);

// The filter of GET /api/v1/queue/items (query) and of POST /api/v1/queue/redrive (JSON member "filter").
Result<ItemFilter> item_filter(const http::Request& request);
Result<ItemFilter> item_filter(json::Value object);

// {"error":…} never holds values of a message; it is problem() with our words.
template <typename T>
http::Response answer(const Result<T>& result, auto write_body) {
  if (!result) return http::problem(result.error());
  std::string body;
  JsonWriter json(body);
  write_body(json, *result);
  return http::json_response(200, std::move(body));
}

}  // namespace minato::admin
