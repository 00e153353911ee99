// Any text as a mail template: refused with a line, or rendered without a value that is not escaped.
// links: minato_flow
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "flow/notify_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minato;
  static const TemplateSchema kSchema{{"a"}, {{"s", {{"b"}, {{"t", {}}}}}, {"c", {}}}};
  static const TemplateValues kValues{
      {{"a", "\x01\x02"}}, {{"s", {TemplateValues{{{"b", "\x01"}}, {{"t", {TemplateValues{}}}}}, TemplateValues{}}}}};
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const bool controls = source.find('\x01') != std::string_view::npos || source.find('\x02') != std::string_view::npos;
  for (const TemplateFormat format : {TemplateFormat::kText, TemplateFormat::kLine, TemplateFormat::kHtml}) {
    const auto parsed = Template::parse(source, format, kSchema);
    if (!parsed) continue;
    const std::string out = parsed->render(kValues);
    if (!controls && out.find('\x01') != std::string::npos) std::abort();
  }
  return 0;
}
