// HTTP: targets, framing and tokens from the wire; what is accepted keeps the promises of the header.
// links: minato_os
#include <cstdlib>

#include "base/bytes.h"
#include "os/http_message.h"

namespace {

void must(bool ok) {
  if (!ok) std::abort();
}

void check_target(std::string_view text) {
  const auto target = minato::http::parse_target(text);
  if (!target) return;
  must(!target->segments.empty() && target->path.starts_with('/'));
  for (const auto& segment : target->segments) must(segment != "." && segment != ".." && !segment.contains('\0'));
}

// Lines of `name:value`, the first of them the version.
void check_headers(std::string_view text) {
  minato::http::Headers headers;
  const auto lines = minato::split(text, '\n');
  for (const auto line : lines) {
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) headers.emplace_back(line.substr(0, colon), line.substr(colon + 1));
  }
  const auto framing = minato::http::check_framing(lines.front(), headers);
  if (framing) {
    must(!framing->chunked || framing->content_length == 0);
    must(framing->has_body == (framing->chunked || framing->content_length > 0));
    for (const auto& [name, value] : headers) must(minato::http::is_token(name) && minato::http::is_field_value(value));
  }
  const auto token = minato::http::bearer_token(headers);
  if (token && *token) must(!(*token)->empty() && !(*token)->contains(' '));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_headers(text);
  return 0;
}
