#include <algorithm>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "os/http_server.h"

namespace minato::http {
namespace {

constexpr std::string_view kRetryAfterSeconds = "5";

bool is_rest(std::string_view segment) { return segment.starts_with('{') && segment.ends_with("*}"); }
bool is_parameter(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }

std::string_view parameter_name(std::string_view segment) {
  return segment.substr(1, segment.size() - (is_rest(segment) ? 3 : 2));
}

bool good_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Result<std::vector<std::string>> pattern_segments(const std::string& pattern) {
  if (!pattern.starts_with('/')) return fail(Errc::kRefused, "a route's pattern begins with a slash: " + pattern);
  std::vector<std::string> segments;
  for (const auto part : split(std::string_view(pattern).substr(1), '/')) segments.emplace_back(part);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string& segment = segments[i];
    if (is_rest(segment) && i + 1 != segments.size()) {
      return fail(Errc::kRefused, "only the last segment may take the rest: " + pattern);
    }
    const bool braces = segment.find_first_of("{}*") != std::string::npos;
    if (braces && (!is_parameter(segment) || !good_name(parameter_name(segment)))) {
      return fail(Errc::kRefused, "a route's pattern has a malformed parameter: " + pattern);
    }
  }
  return segments;
}

// How close a pattern fits, compared segment by segment: 2 literal, 1 parameter, 0 the rest. nullopt: it does not fit.
std::optional<std::vector<int>> fit(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  std::vector<int> closeness;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i >= segments.size()) return std::nullopt;
    if (is_rest(pattern[i])) {
      closeness.push_back(0);
      return closeness;
    }
    const bool parameter = is_parameter(pattern[i]);
    if (parameter ? segments[i].empty() : pattern[i] != segments[i]) return std::nullopt;
    closeness.push_back(parameter ? 1 : 2);
  }
  if (segments.size() != pattern.size()) return std::nullopt;
  return closeness;
}

// Two patterns that differ in the names of their parameters only catch the same paths.
std::string shape(const std::vector<std::string>& pattern) {
  std::string out;
  for (const auto& segment : pattern) out += is_rest(segment) ? "/{*}" : is_parameter(segment) ? "/{}" : "/" + segment;
  return out;
}

std::vector<std::pair<std::string, std::string>> parameters_of(const std::vector<std::string>& pattern,
                                                               const std::vector<std::string>& segments) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i])) continue;
    std::string value = segments[i];
    for (std::size_t k = i + 1; is_rest(pattern[i]) && k < segments.size(); ++k) value += "/" + segments[k];
    out.emplace_back(parameter_name(pattern[i]), std::move(value));
  }
  return out;
}

bool serves(const Route& route, std::string_view method) {
  return route.method == method || (method == "HEAD" && route.method == "GET");
}

}  // namespace

std::string_view Request::path_parameter(std::string_view name) const {
  for (const auto& [key, value] : path_parameters) {
    if (key == name) return value;
  }
  return {};
}

std::optional<std::string_view> Request::query_parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Request::query_parameters(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : query) {
    if (key == name) out.push_back(value);
  }
  return out;
}

Response text_response(int status, std::string body) {
  return {.status = status, .headers = {{"Content-Type", "text/plain; charset=utf-8"}}, .body = std::move(body)};
}

Response json_response(int status, std::string body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

Response problem(int status, std::string_view detail) {
  Response response{.status = status, .headers = {{"Content-Type", "application/problem+json"}}};
  JsonWriter json(response.body);
  json.begin_object().member("title", reason(status)).member("status", status);
  if (!detail.empty()) json.member("detail", detail);
  json.end_object();
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"minato\"");
  if (status == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return response;
}

Response problem(const Error& error) {
  switch (error.code) {
    case Errc::kRefused:
      return problem(400, error.what);
    case Errc::kNotFound:
      return problem(404, error.what);
    case Errc::kConflict:
      return problem(409, error.what);
    case Errc::kTooLarge:
      return problem(413, error.what);
    case Errc::kRetry:
    case Errc::kUnavailable:
      return problem(503, error.what);
    case Errc::kCorrupt:
      return problem(500, error.what);
  }
  return problem(500, error.what);
}

Status Router::add(Route route) {
  MN_TRY(segments, pattern_segments(route.pattern));
  const std::string where = route.method + " " + route.pattern;
  if (route.method.empty()) return fail(Errc::kRefused, "a route without a method: " + where);
  if ((route.handler != nullptr) == (route.receive != nullptr)) {
    return fail(Errc::kRefused, "a route has either a handler or a receiver: " + where);
  }
  if (route.zone.empty()) return fail(Errc::kRefused, "a route without a zone: " + where);
  if (route.zone != kPublicZone && route.scope.empty())
    return fail(Errc::kRefused, "a route without a scope: " + where);
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i]->method == route.method && shape(patterns_[i]) == shape(segments)) {
      return fail(Errc::kConflict, "two routes for one path: " + where);
    }
  }
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  patterns_.push_back(std::move(segments));
  return {};
}

Router::Match Router::match(std::string_view method, const std::vector<std::string>& segments) const {
  // The closest path is chosen first and the method looked for there, so that a parameter never hides a 405.
  std::optional<std::vector<int>> closest;
  for (const auto& pattern : patterns_) closest = std::max(closest, fit(pattern, segments));
  Match match;
  if (!closest) return match;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (fit(patterns_[i], segments) != closest) continue;
    const Route& route = *routes_[i];
    match.allowed.push_back(route.method);
    if (route.method == "GET") match.allowed.emplace_back("HEAD");
    if (match.route != nullptr || !serves(route, method)) continue;
    match.route = &route;
    match.parameters = parameters_of(patterns_[i], segments);
  }
  std::ranges::sort(match.allowed);
  const auto repeated = std::ranges::unique(match.allowed);
  match.allowed.erase(repeated.begin(), repeated.end());
  return match;
}

}  // namespace minato::http
