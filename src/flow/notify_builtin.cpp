#include "flow/notify_builtin.h"

namespace minato {
namespace {

constexpr const char* kSubjectEn =
    "{{#urgent}}URGENT {{/urgent}}{{#correction}}Correction: {{/correction}}{{event}} - {{institution}}\n";
constexpr const char* kSubjectJa =
    "{{#urgent}}【至急】{{/urgent}}{{#correction}}【訂正】{{/correction}}{{event}}のお知らせ（{{institution}}）\n";
constexpr const char* kDigestSubjectEn = "{{#urgent}}URGENT {{/urgent}}{{count}} notices - {{institution}}\n";
constexpr const char* kDigestSubjectJa = "{{#urgent}}【至急】{{/urgent}}お知らせ {{count}}件（{{institution}}）\n";

constexpr const char* kTextEn = R"(This is an automatic notice from {{institution}}.
{{#digest}}

It holds {{count}} notices.
{{/digest}}
{{#notices}}

{{#urgent}}URGENT {{/urgent}}{{#correction}}Correction: {{/correction}}{{event}}{{#time}} ({{time}}){{/time}}
{{#detail}}
  Patient: {{patient}}{{#patient_id}} ({{patient_id}}){{/patient_id}}
{{#ward}}
  Ward: {{ward}}
{{/ward}}
{{#practitioner}}
  Treating practitioner: {{practitioner}}
{{/practitioner}}
  Institution: {{institution}}
{{#has_conditions}}
  Conditions and symptoms named in the notes:
{{#conditions}}
    - {{written}}{{#name}} ({{name}}){{/name}}{{#trait}} [{{trait}}]{{/trait}}
{{/conditions}}
{{/has_conditions}}
{{#has_medications}}
  Medications named in the notes:
{{#medications}}
    - {{written}}{{#name}} ({{name}}){{/name}}{{#trait}} [{{trait}}]{{/trait}}
{{/medications}}
{{/has_medications}}
{{#has_results}}
  Abnormal results:
{{#results}}
    - {{name}}: {{value}}{{#units}} {{units}}{{/units}} {{flag}}{{#range}} (reference {{range}}){{/range}})"
                                R"({{#corrected}} [corrected]{{/corrected}}
{{/results}}
{{/has_results}}
{{#more}}
  There is more on the page below.
{{/more}}
{{/detail}}
  {{link}}
{{/notices}}

Findings in notes are recognised by a program and may be wrong or incomplete: the record decides.
You receive this because the record of {{institution}} names you. Do not reply to this mail.
)";

constexpr const char* kTextJa = R"({{institution}}からの自動のお知らせです。
{{#digest}}

お知らせ {{count}}件をまとめています。
{{/digest}}
{{#notices}}

{{#urgent}}【至急】{{/urgent}}{{#correction}}【訂正】{{/correction}}{{event}}{{#time}}（{{time}}）{{/time}}
{{#detail}}
  患者: {{patient}} 様{{#patient_id}}（ID {{patient_id}}）{{/patient_id}}
{{#ward}}
  病棟: {{ward}}
{{/ward}}
{{#practitioner}}
  担当医: {{practitioner}}
{{/practitioner}}
  施設: {{institution}}
{{#has_conditions}}
  記録にある病名・症状:
{{#conditions}}
    ・{{written}}{{#name}}（{{name}}）{{/name}}{{#trait}}［{{trait}}］{{/trait}}
{{/conditions}}
{{/has_conditions}}
{{#has_medications}}
  記録にある薬剤:
{{#medications}}
    ・{{written}}{{#name}}（{{name}}）{{/name}}{{#trait}}［{{trait}}］{{/trait}}
{{/medications}}
{{/has_medications}}
{{#has_results}}
  異常値:
{{#results}}
    ・{{name}}: {{value}}{{#units}} {{units}}{{/units}} {{flag}}{{#range}}（基準 {{range}}）{{/range}})"
                                R"({{#corrected}}［訂正値］{{/corrected}}
{{/results}}
{{/has_results}}
{{#more}}
  続きは下のページにあります。
{{/more}}
{{/detail}}
  {{link}}
{{/notices}}

病名・症状・薬剤は記録からプログラムが読み取ったもので、誤りや漏れがあり得ます。診療録を確認してください。
このメールは、{{institution}}の記録に担当者として登録されている方にお送りしています。返信はできません。
)";

constexpr const char* kHtmlEn =
    R"(<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{{institution}}</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
<p>This is an automatic notice from {{institution}}.{{#digest}} It holds {{count}} notices.{{/digest}}</p>
{{#notices}}
<h2 style="font-size: 1.1em">{{#urgent}}URGENT {{/urgent}}{{#correction}}Correction: {{/correction}}{{event}})"
    R"({{#time}} ({{time}}){{/time}}</h2>
{{#detail}}
<ul>
<li>Patient: <strong>{{patient}}</strong>{{#patient_id}} ({{patient_id}}){{/patient_id}}</li>
{{#ward}}
<li>Ward: {{ward}}</li>
{{/ward}}
{{#practitioner}}
<li>Treating practitioner: {{practitioner}}</li>
{{/practitioner}}
<li>Institution: {{institution}}</li>
</ul>
{{#has_conditions}}
<p>Conditions and symptoms named in the notes:</p>
<ul>
{{#conditions}}
<li>{{written}}{{#name}} ({{name}}){{/name}}{{#trait}} [{{trait}}]{{/trait}}</li>
{{/conditions}}
</ul>
{{/has_conditions}}
{{#has_medications}}
<p>Medications named in the notes:</p>
<ul>
{{#medications}}
<li>{{written}}{{#name}} ({{name}}){{/name}}{{#trait}} [{{trait}}]{{/trait}}</li>
{{/medications}}
</ul>
{{/has_medications}}
{{#has_results}}
<p>Abnormal results:</p>
<ul>
{{#results}}
<li>{{name}}: <strong>{{value}}</strong>{{#units}} {{units}}{{/units}} {{flag}})"
    R"({{#range}} (reference {{range}}){{/range}}{{#corrected}} [corrected]{{/corrected}}</li>
{{/results}}
</ul>
{{/has_results}}
{{#more}}
<p>There is more on the page below.</p>
{{/more}}
{{/detail}}
<p><a href="{{link}}">{{link}}</a></p>
{{/notices}}
<p style="color: #555; font-size: 0.85em">Findings in notes are recognised by a program and may be wrong or)"
    R"( incomplete: the record decides.
You receive this because the record of {{institution}} names you. Do not reply to this mail.</p>
</body>
</html>
)";

constexpr const char* kHtmlJa = R"(<!DOCTYPE html>
<html lang="ja">
<head><meta charset="utf-8"><title>{{institution}}</title></head>
<body style="font-family: sans-serif; line-height: 1.6">
<p>{{institution}}からの自動のお知らせです。{{#digest}}お知らせ {{count}}件をまとめています。{{/digest}}</p>
{{#notices}}
<h2 style="font-size: 1.1em">{{#urgent}}【至急】{{/urgent}}{{#correction}}【訂正】{{/correction}}{{event}})"
                                R"({{#time}}（{{time}}）{{/time}}</h2>
{{#detail}}
<ul>
<li>患者: <strong>{{patient}}</strong> 様{{#patient_id}}（ID {{patient_id}}）{{/patient_id}}</li>
{{#ward}}
<li>病棟: {{ward}}</li>
{{/ward}}
{{#practitioner}}
<li>担当医: {{practitioner}}</li>
{{/practitioner}}
<li>施設: {{institution}}</li>
</ul>
{{#has_conditions}}
<p>記録にある病名・症状:</p>
<ul>
{{#conditions}}
<li>{{written}}{{#name}}（{{name}}）{{/name}}{{#trait}}［{{trait}}］{{/trait}}</li>
{{/conditions}}
</ul>
{{/has_conditions}}
{{#has_medications}}
<p>記録にある薬剤:</p>
<ul>
{{#medications}}
<li>{{written}}{{#name}}（{{name}}）{{/name}}{{#trait}}［{{trait}}］{{/trait}}</li>
{{/medications}}
</ul>
{{/has_medications}}
{{#has_results}}
<p>異常値:</p>
<ul>
{{#results}}
<li>{{name}}: <strong>{{value}}</strong>{{#units}} {{units}}{{/units}} {{flag}})"
                                R"({{#range}}（基準 {{range}}）{{/range}}{{#corrected}}［訂正値］{{/corrected}}</li>
{{/results}}
</ul>
{{/has_results}}
{{#more}}
<p>続きは下のページにあります。</p>
{{/more}}
{{/detail}}
<p><a href="{{link}}">{{link}}</a></p>
{{/notices}}
<p style="color: #555; font-size: 0.85em">病名・症状・薬剤は記録からプログラムが読み取ったもので、誤りや漏れがあり得ます。診療録を確認してください。
このメールは、{{institution}}の記録に担当者として登録されている方にお送りしています。返信はできません。</p>
</body>
</html>
)";

// A value that may be missing: {{#ward}}Ward: {{ward}}{{/ward}}.
TemplateSchema optional_value(const std::string& name) { return {{name}, {}}; }

TemplateSchema finding_schema() {
  return {{"written"}, {{"name", optional_value("name")}, {"trait", optional_value("trait")}}};
}

TemplateSchema detail_schema() {
  TemplateSchema out;
  out.values = {"patient"};
  for (const char* name : {"patient_id", "ward", "practitioner"}) out.sections[name] = optional_value(name);
  out.sections["conditions"] = finding_schema();
  out.sections["medications"] = finding_schema();
  out.sections["results"] = {
      {"name", "value", "flag"},
      {{"units", optional_value("units")}, {"range", optional_value("range")}, {"corrected", {}}}};
  // A condition shows its content once, so the list it announces is known inside it.
  for (const char* name : {"has_conditions", "has_medications", "has_results", "more"}) out.sections[name] = {};
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> builtin_mail_templates() {
  return {{"subject.en.txt", kSubjectEn},
          {"subject.ja.txt", kSubjectJa},
          {"digest-subject.en.txt", kDigestSubjectEn},
          {"digest-subject.ja.txt", kDigestSubjectJa},
          {"mail.en.txt", kTextEn},
          {"mail.ja.txt", kTextJa},
          {"mail.en.html", kHtmlEn},
          {"mail.ja.html", kHtmlJa}};
}

const TemplateSchema& subject_schema() {
  static const TemplateSchema kSchema{{"institution", "event"}, {{"urgent", {}}, {"correction", {}}}};
  return kSchema;
}

const TemplateSchema& digest_subject_schema() {
  static const TemplateSchema kSchema{{"institution", "count"}, {{"urgent", {}}}};
  return kSchema;
}

const TemplateSchema& body_schema() {
  static const TemplateSchema kSchema = [] {
    TemplateSchema notice{{"event", "trigger", "link"}, {}};
    notice.sections["urgent"] = {};
    notice.sections["correction"] = {};
    notice.sections["time"] = optional_value("time");
    notice.sections["detail"] = detail_schema();
    TemplateSchema body{{"institution", "count"}, {}};
    body.sections["digest"] = {};
    body.sections["notices"] = notice;
    return body;
  }();
  return kSchema;
}

}  // namespace minato
