// JSON: our reader and simdjson's DOM accept the same; what was read is written and read again the same.
// links: minato_json simdjson
#include <simdjson.h>

#include <cstdlib>

#include "format/json/json.h"

namespace {

// Where ours differs on purpose: numbers out of a machine's range keep their text, and limits and duplicate keys are
// ours.
bool may_differ(const minato::Error& error) {
  return error.code == minato::Errc::kTooLarge || error.what.find("duplicate") != std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("\xEF\xBB\xBF")) return 0;
  const auto ours = minato::json::parse(text);
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  const auto theirs = parser.parse(text.data(), text.size()).get(element);
  if (!ours && theirs == simdjson::SUCCESS && !may_differ(ours.error())) std::abort();
  if (ours && theirs != simdjson::SUCCESS && theirs != simdjson::NUMBER_ERROR) {
    std::abort();
  }
  if (!ours) return 0;
  const std::string written = minato::json::to_text(ours->root());
  const auto again = minato::json::parse(written);
  if (!again || minato::json::to_text(again->root()) != written) std::abort();
  return 0;
}
