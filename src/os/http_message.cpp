#include "os/http_message.h"

#include <algorithm>

#include "base/bytes.h"

namespace minato::http {
namespace {

std::vector<std::string_view> all(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : headers) {
    if (ascii_iequals(key, name)) out.push_back(value);
  }
  return out;
}

// "http://host:port/path?query" without all before the path; the rest is left as it is.
std::string_view without_authority(std::string_view target) {
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos) return target;
  const std::string_view name = target.substr(0, scheme);
  if (!ascii_iequals(name, "http") && !ascii_iequals(name, "https")) return target;
  const auto path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const auto part : split(text, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const auto name = form_decode(part.substr(0, equals));
    const auto value = equals == std::string_view::npos ? std::string() : form_decode(part.substr(equals + 1));
    if (!name || !value || query.size() == kHttpQueryParametersMax) return std::nullopt;
    query.emplace_back(*name, *value);
  }
  return query;
}

bool token68(std::string_view text) {
  const auto padding = text.find('=');
  const std::string_view body = text.substr(0, padding);
  const std::string_view rest = padding == std::string_view::npos ? std::string_view() : text.substr(padding);
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").contains(c);
  };
  return !body.empty() && std::ranges::all_of(body, good) && rest.find_first_not_of('=') == std::string_view::npos;
}

}  // namespace

std::expected<Target, Refusal> parse_target(std::string_view target) {
  target = without_authority(target);
  const auto refused = [](std::string_view why) { return std::unexpected(Refusal{400, why}); };
  if (target.starts_with('?')) return refused("the request target has no path");
  if (!target.starts_with('/')) return refused("the request target is neither a path nor an http URL");
  if (target.find('#') != std::string_view::npos) return refused("the request target has a fragment");
  Target out;
  const auto question = target.find('?');
  for (const auto part : split(target.substr(1, question == std::string_view::npos ? question : question - 1), '/')) {
    auto segment = percent_decode(part);
    if (!segment || segment->find('\0') != std::string::npos) return refused("the path has a malformed escape");
    if (*segment == "." || *segment == "..") return refused("the path has a dot segment");
    out.path += "/" + *segment;
    out.segments.push_back(std::move(*segment));
  }
  if (question != std::string_view::npos) {
    auto query = parse_query(target.substr(question + 1));
    if (!query) return refused("the query has a malformed escape or too many parameters");
    out.query = std::move(*query);
  }
  return out;
}

std::expected<Framing, Refusal> check_framing(std::string_view version, const Headers& headers) {
  const auto refused = [](int status, std::string_view why) { return std::unexpected(Refusal{status, why}); };
  Framing framing;
  // libmicrohttpd keeps "Content-Length " as the name of some other header; a proxy before us may have read it as the
  // length.
  if (!std::ranges::all_of(
          headers, [](const auto& header) { return is_token(header.first) && is_field_value(header.second); })) {
    return refused(400, "a malformed header");
  }
  const auto hosts = all(headers, "Host");
  if (hosts.size() > 1 || (hosts.empty() && version != "HTTP/1.0")) return refused(400, "not exactly one Host header");
  const auto lengths = all(headers, "Content-Length");
  const auto codings = all(headers, "Transfer-Encoding");
  if (!codings.empty() && !lengths.empty()) return refused(400, "both Content-Length and Transfer-Encoding");
  if (lengths.size() > 1) return refused(400, "more than one Content-Length");
  if (!codings.empty() && version == "HTTP/1.0") return refused(400, "Transfer-Encoding in HTTP/1.0");
  if (codings.size() > 1 || (codings.size() == 1 && !ascii_iequals(codings[0], "chunked"))) {
    return refused(501, "a transfer coding other than chunked");
  }
  if (!lengths.empty()) {
    const auto length = parse_unsigned(lengths[0]);
    if (!length) return refused(400, "the Content-Length is no number");
    framing.content_length = *length;
  }
  framing.chunked = !codings.empty();
  framing.has_body = framing.chunked || framing.content_length > 0;
  if (const auto expect = all(headers, "Expect"); !expect.empty()) {
    if (expect.size() > 1 || !ascii_iequals(expect[0], "100-continue")) return refused(417, "an unknown expectation");
    framing.expects_continue = true;
  }
  return framing;
}

std::optional<Refusal> check_request_line(std::string_view method, std::string_view version) {
  static constexpr std::string_view kMethods[] = {"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                                  "CONNECT", "TRACE", "PATCH", "OPTIONS"};
  if (!version.starts_with("HTTP/1.")) return Refusal{505, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  if (std::ranges::find(kMethods, method) == std::end(kMethods)) return Refusal{501, "an unknown method"};
  return std::nullopt;
}

std::expected<std::optional<std::string>, Refusal> bearer_token(const Headers& headers) {
  const auto values = all(headers, "Authorization");
  if (values.empty()) return std::optional<std::string>();
  if (values.size() > 1) return std::unexpected(Refusal{400, "more than one Authorization header"});
  const auto space = values[0].find(' ');
  if (!ascii_iequals(values[0].substr(0, space), "Bearer")) return std::optional<std::string>();
  const std::string_view token =
      space == std::string_view::npos ? std::string_view() : trim(values[0].substr(space + 1));
  if (!token68(token)) return std::unexpected(Refusal{400, "a malformed bearer token"});
  return std::optional<std::string>(token);
}

}  // namespace minato::http
