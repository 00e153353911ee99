#include "flow/notify_template.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace minato {
namespace {

const TemplateSchema kSchema{{"house"}, {{"notices", {{"event"}, {{"detail", {{"patient"}, {}}}}}}, {"digest", {}}}};

std::string rendered(std::string_view source, const TemplateValues& values,
                     TemplateFormat format = TemplateFormat::kText) {
  const Result<Template> parsed = Template::parse(source, format, kSchema);
  return parsed ? parsed->render(values) : "refused: " + parsed.error().what;
}

const TemplateValues kValues{
    {{"house", "O'Hara & <Sons>"}},
    {{"notices",
      {TemplateValues{{{"event", "admission"}}, {{"detail", {TemplateValues{{{"patient", "<b>A"}}, {}}}}}},
       TemplateValues{{{"event", "discharge"}}, {}}}}}};

TEST(Template, ValuesAndSectionsAreFilledIn) {
  EXPECT_EQ(rendered("{{house}}:{{#notices}} {{event}}{{#detail}}={{patient}}{{/detail}}{{/notices}}.", kValues),
            "O'Hara & <Sons>: admission=<b>A discharge.");
  EXPECT_EQ(rendered("{{^digest}}one{{/digest}}{{#digest}}many{{/digest}}", kValues), "one");
  EXPECT_EQ(rendered("{{#notices}}{{^detail}}[{{event}}]{{/detail}}{{/notices}}", kValues), "[discharge]");
  EXPECT_EQ(rendered("{{#notices}}{{house}} {{/notices}}", TemplateValues{{{"house", "x"}}, {{"notices", {{}, {}}}}}),
            "x x ");
}

TEST(Template, HtmlValuesAreAlwaysEscaped) {
  EXPECT_EQ(rendered("<p title=\"{{house}}\">{{#notices}}{{#detail}}{{patient}}{{/detail}}{{/notices}}</p>", kValues,
                     TemplateFormat::kHtml),
            "<p title=\"O&#39;Hara &amp; &lt;Sons&gt;\">&lt;b&gt;A</p>");
}

TEST(Template, ASubjectIsOneLineWhateverAValueHolds) {
  EXPECT_EQ(rendered("A {{house}}\n", {{{"house", "x\r\nBcc: evil@example"}}, {}}, TemplateFormat::kLine),
            "A x Bcc: evil@example");
  EXPECT_EQ(rendered("A {{house}}", {{{"house", std::string("x\0\x1B[31my", 8)}}, {}}), "A x[31my");
}

TEST(Template, ATagAloneOnItsLineLeavesNoLine) {
  EXPECT_EQ(rendered("a\n  {{#notices}}\n- {{event}}\n  {{/notices}}\n{{! note }}\nb\n", kValues),
            "a\n- admission\n- discharge\nb\n");
  EXPECT_EQ(rendered("a {{#notices}}\n{{/notices}}", {}), "a ");
}

TEST(Template, WhatIsWrongIsFoundWhenItIsLoaded) {
  EXPECT_EQ(rendered("ok\n{{hause}}", {}), "refused: line 2: no value is named so here: hause");
  EXPECT_EQ(rendered("{{patient}}", {}), "refused: line 1: no value is named so here: patient");
  EXPECT_EQ(rendered("{{#notices}}{{^detail}}{{patient}}{{/detail}}{{/notices}}", {}),
            "refused: line 1: no value is named so here: patient");
  EXPECT_EQ(rendered("{{#notises}}", {}), "refused: line 1: no section is named so here: notises");
  EXPECT_EQ(rendered("{{#detail}}{{/detail}}", {}), "refused: line 1: no section is named so here: detail");
  EXPECT_EQ(rendered("\n\n{{#digest}}", {}), "refused: line 3: {{#digest}} is not closed");
  EXPECT_EQ(rendered("{{/digest}}", {}), "refused: line 1: {{/digest}} closes nothing that is open");
  EXPECT_EQ(rendered("{{#notices}}{{/digest}}", {}), "refused: line 1: {{/digest}} closes nothing that is open");
  EXPECT_EQ(rendered("{{house", {}), "refused: line 1: a tag is not closed");
  EXPECT_EQ(rendered("{{{house}}}", {}), "refused: line 1: no value is named so here: {house");
  EXPECT_EQ(rendered("\xFF", {}), "refused: template is not UTF-8");
  EXPECT_EQ(rendered(std::string(kTemplateBytesMax + 1, 'x'), {}), "refused: template is over its limit");
}

}  // namespace
}  // namespace minato
