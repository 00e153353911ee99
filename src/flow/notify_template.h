// A small template language for mails: what a site may write is checked when it is loaded, so that nothing can go wrong
// when a mail is due.
//
//   {{name}}              the value, escaped as the format needs
//   {{#name}} … {{/name}} once for each entry of a list, with the entry's names; once for a condition that holds
//   {{^name}} … {{/name}} when the list is empty or the condition does not hold
//   {{! comment }}
// A line that has nothing but one section tag or comment leaves no line behind. Everything else stands for itself.
//
//   MN_TRY(subject, Template::parse("{{institution}}: {{event}}", TemplateFormat::kText, schema));
//   std::string line = subject.render(values);
//
// There is no way to write a value unescaped. Immutable after parse; any thread may render.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace minato {

enum class TemplateFormat : std::uint8_t {
  kText,  // values lose control characters but line feeds
  kLine,  // a subject: one line, line feeds become blanks
  kHtml,  // & < > " ' are escaped; safe in element content and in quoted attributes
};

// The names that a template may use. A section's names are known inside it only; those around it stay known there.
struct TemplateSchema {
  std::vector<std::string> values;
  std::map<std::string, TemplateSchema> sections;
};

// What a template is filled with. A name of the schema that is missing here is an empty value or list.
struct TemplateValues {
  std::map<std::string, std::string> values;
  std::map<std::string, std::vector<TemplateValues>> sections;  // a condition that holds is a list of one entry
};

class Template {
 public:
  // kRefused: a name that the schema has not, a tag that is not closed, sections that do not nest. The text names line
  // and reason. kTooLarge: over kTemplateBytesMax.
  static Result<Template> parse(std::string_view source, TemplateFormat format, const TemplateSchema& schema);
  std::string render(const TemplateValues& values) const;

 private:
  friend class TemplateParser;
  enum class Kind : std::uint8_t { kText, kValue, kSection, kInverted };
  struct Node {
    Kind kind = Kind::kText;
    std::string text;  // of kText; else the name
    std::vector<Node> children;
  };
  using Scopes = std::vector<const TemplateValues*>;
  void render_nodes(const std::vector<Node>& nodes, Scopes& scopes, std::string& out) const;

  std::vector<Node> nodes_;
  TemplateFormat format_ = TemplateFormat::kText;
};

std::string escape_html(std::string_view text);

}  // namespace minato
