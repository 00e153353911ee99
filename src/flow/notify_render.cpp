#include "flow/notify_render.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "flow/notify_builtin.h"

namespace minato {
namespace {

// ---- words

struct EventWords {
  NoticeEvent event;
  std::string_view en, ja;                        // of the news
  std::string_view correction_en, correction_ja;  // of what takes it back
};
constexpr EventWords kEventWords[] = {
    {NoticeEvent::kAdmission, "Patient admitted", "入院", "admission cancelled", "入院の取消"},
    {NoticeEvent::kDischarge, "Patient discharged", "退院", "discharge cancelled", "退院の取消"},
    {NoticeEvent::kTransfer, "Patient transferred", "転棟", "transfer cancelled", "転棟の取消"},
    {NoticeEvent::kAbnormalResult, "Abnormal result", "検査値異常", "result withdrawn", "検査結果の取下げ"},
    {NoticeEvent::kUpdate, "Patient record updated", "患者情報の更新", "update cancelled", "更新の取消"},
};

std::string event_words(const Notice& notice) {
  const bool ja = notice.plan.language == Language::kJapanese;
  if (notice.plan.kind == OccasionKind::kNews && notice.trigger == "A04") return ja ? "来院登録" : "Patient registered";
  const auto* const words = std::ranges::find(kEventWords, notice.plan.event, &EventWords::event);
  if (words == std::end(kEventWords)) return {};
  if (notice.plan.kind == OccasionKind::kCorrection)
    return std::string(ja ? words->correction_ja : words->correction_en);
  return std::string(ja ? words->ja : words->en);
}

std::string time_words(Time time, Language language, int utc_offset_minutes) {
  const auto local = time + std::chrono::minutes(utc_offset_minutes);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(local - day).count();
  char out[64];
  const char* const format = language == Language::kJapanese ? "%d年%u月%u日 %02d:%02d" : "%04d-%02u-%02u %02d:%02d";
  const int n =
      std::snprintf(out, sizeof out, format, static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                    static_cast<unsigned>(date.day()), static_cast<int>(minutes / 60), static_cast<int>(minutes % 60));
  return std::string(out, static_cast<std::size_t>(n));
}

// One line, not too long: values come from the sender.
std::string tidy(std::string_view text) {
  std::string out;
  std::size_t characters = 0;
  bool blank = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t length = std::max<std::size_t>(1, utf8_sequence_bytes(text.substr(pos)));
    const auto byte = static_cast<unsigned char>(text[pos]);
    if (byte <= 0x20 || byte == 0x7F) {
      blank = !out.empty();
    } else {
      if (blank) out += ' ';
      blank = false;
      if (++characters > kNoticeTextCharactersMax) return out + "…";
      out += text.substr(pos, length);
    }
    pos += length;
  }
  return out;
}

// ---- names

bool is_cjk(std::string_view text) {
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t length = std::max<std::size_t>(1, utf8_sequence_bytes(text.substr(pos)));
    // From U+3000 on, but for the private and specials areas at the end of the plane.
    if (length >= 3 && static_cast<unsigned char>(text[pos]) >= 0xE3) return true;
    pos += length;
  }
  return false;
}

std::string in_order(const PersonName& name) {
  std::vector<std::string_view> parts = {name.given, name.middle, name.family};
  if (is_cjk(name.family + name.given)) parts = {name.family, name.given, name.middle};
  std::string out;
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    if (!out.empty()) out += ' ';
    out += part;
  }
  return tidy(out);
}

const PersonName* by_representation(const std::vector<PersonName>& names, std::string_view representation) {
  const auto found = std::ranges::find_if(names, [&](const PersonName& name) {
    return name.representation == representation && !(name.family.empty() && name.given.empty());
  });
  return found == names.end() ? nullptr : &*found;
}

// ---- details

std::string ward_of(std::string_view location) {
  std::string out;
  std::size_t taken = 0;
  for (const std::string_view part : split(location, '^')) {
    if (taken++ == 3) break;
    if (part.empty()) continue;
    if (!out.empty()) out += '-';
    out += part;
  }
  return tidy(out);
}

std::string ward_words(const hl7::Message& message, const Occasion& occasion) {
  const std::string now = ward_of(occasion.location);
  if (occasion.event != NoticeEvent::kTransfer || !message.segment("PV1").exists()) return now;
  std::string before;
  const hl7::Repetition prior = message.segment("PV1").field(6).repetition(0);
  for (std::size_t i = 1; i <= std::min<std::size_t>(3, prior.component_count()); ++i)
    before += prior.component(i).text() + "^";
  before = ward_of(before);
  return before.empty() || now.empty() ? now : before + " → " + now;
}

// PV1-7, as the message writes the name.
std::string practitioner_words(const hl7::Message& message, Language language) {
  if (!message.segment("PV1").exists()) return {};
  std::vector<PersonName> names;
  for (const hl7::Repetition& doctor : message.segment("PV1").field(7).repetitions()) {
    PersonName name;
    name.family = doctor.component(2).subcomponent(1).text();
    name.given = doctor.component(3).text();
    name.representation = doctor.component(15).text();
    names.push_back(std::move(name));
  }
  return display_name(names, language);
}

// ---- template values

TemplateValues one(std::string name, std::string value) { return {{{std::move(name), std::move(value)}}, {}}; }

void put_optional(TemplateValues& into, const std::string& name, std::string value) {
  if (!value.empty()) into.sections[name] = {one(name, std::move(value))};
}
void put_condition(TemplateValues& into, const std::string& name, bool holds) {
  if (holds) into.sections[name] = {TemplateValues{}};
}

TemplateValues finding_values(const language::Finding& finding, Language language) {
  const bool ja = language == Language::kJapanese;
  TemplateValues out;
  std::string written = tidy(finding.text);
  const std::string preferred = ja && !finding.preferred_ja.empty() ? finding.preferred_ja : finding.preferred;
  if (!ascii_iequals(written, preferred)) put_optional(out, "name", preferred);
  if (!finding.dose.empty()) written += " " + tidy(finding.dose);
  out.values["written"] = written;
  std::string trait;
  if (finding.historical) trait = ja ? "既往" : "history";
  if (finding.uncertain) trait += (trait.empty() ? "" : ja ? "・" : ", ") + std::string(ja ? "疑い" : "uncertain");
  put_optional(out, "trait", trait);
  return out;
}

TemplateValues result_values(const AbnormalResult& result) {
  TemplateValues out;
  out.values["name"] = tidy(result.code_text.empty() ? result.code : result.code_text);
  out.values["value"] = tidy(result.value);
  out.values["flag"] = tidy(result.flag);
  put_optional(out, "units", tidy(result.units));
  put_optional(out, "range", tidy(result.reference_range));
  put_condition(out, "corrected", result.status == "C");
  return out;
}

TemplateValues detail_values(const NoticeDetail& detail, Language language) {
  TemplateValues out;
  out.values["patient"] = detail.patient;
  put_optional(out, "patient_id", detail.patient_id);
  put_optional(out, "ward", detail.ward);
  put_optional(out, "practitioner", detail.practitioner);
  auto &conditions = out.sections["conditions"], &medications = out.sections["medications"],
       &results = out.sections["results"];
  for (const LocatedFinding& found : detail.findings) {
    if (conditions.size() + medications.size() >= kNoticeFindingsMax) break;
    const bool drug = found.finding.category == language::Category::kMedication;
    (drug ? medications : conditions).push_back(finding_values(found.finding, language));
  }
  for (const AbnormalResult& result : detail.results) {
    if (results.size() >= kNoticeResultsMax) break;
    results.push_back(result_values(result));
  }
  put_condition(out, "has_conditions", !conditions.empty());
  put_condition(out, "has_medications", !medications.empty());
  put_condition(out, "has_results", !results.empty());
  put_condition(out, "more", detail.findings.size() > kNoticeFindingsMax || detail.results.size() > kNoticeResultsMax);
  return out;
}

std::string link_of(const MailPlan& plan, const MailWords& words) {
  std::string_view base = words.base_url;
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + "/notices/" + plan.notice_id;
}

TemplateValues notice_values(const Notice& notice, const MailWords& words) {
  TemplateValues out;
  out.values["event"] = event_words(notice);
  out.values["trigger"] = tidy(notice.trigger);
  out.values["link"] = link_of(notice.plan, words);
  if (notice.happened != Time{}) {
    put_optional(out, "time", time_words(notice.happened, notice.plan.language, words.utc_offset_minutes));
  }
  put_condition(out, "urgent", notice.plan.urgent);
  put_condition(out, "correction", notice.plan.kind == OccasionKind::kCorrection);
  if (notice.detail) out.sections["detail"] = {detail_values(*notice.detail, notice.plan.language)};
  return out;
}

}  // namespace

std::string display_name(const std::vector<PersonName>& names, Language language) {
  constexpr std::array<std::string_view, 4> kJapanese = {"I", "", "A", "P"}, kEnglish = {"A", "", "I", "P"};
  const PersonName* chosen = nullptr;
  for (const std::string_view representation : language == Language::kJapanese ? kJapanese : kEnglish) {
    if (chosen == nullptr) chosen = by_representation(names, representation);
  }
  if (chosen == nullptr) return {};
  std::string out = in_order(*chosen);
  const PersonName* const reading = by_representation(names, "P");
  if (language == Language::kJapanese && reading != nullptr && reading != chosen)
    out += "（" + in_order(*reading) + "）";
  return out;
}

Notice make_notice(const hl7::Message& message, const MailPlan& plan, const NoticeContext& context) {
  Notice out;
  out.plan = plan;
  out.trigger = context.occasion.trigger;
  out.happened = context.occasion.happened;
  if (plan.detail != Detail::kFull) return out;
  NoticeDetail detail;
  const auto& names = context.verdict.demographics.names;
  if (names) detail.patient = display_name(*names, plan.language);
  detail.patient_id = tidy(context.verdict.identifier.value);
  detail.ward = ward_words(message, context.occasion);
  detail.practitioner = practitioner_words(message, plan.language);
  detail.findings = mailable(context.findings);
  detail.results = context.occasion.results;
  out.detail = std::move(detail);
  return out;
}

std::vector<std::pair<std::string, std::string>> MailTemplates::sources() { return builtin_mail_templates(); }

Result<std::shared_ptr<const MailTemplates>> MailTemplates::make(
    const std::vector<std::pair<std::string, std::string>>& sources) {
  std::shared_ptr<MailTemplates> out(new MailTemplates());
  for (const auto& [name, source] : sources) {
    const bool html = name.ends_with(".html");
    const bool subject = name.starts_with("subject."), digest = name.starts_with("digest-subject.");
    const TemplateFormat format =
        html ? TemplateFormat::kHtml : (subject || digest ? TemplateFormat::kLine : TemplateFormat::kText);
    const TemplateSchema& schema = subject ? subject_schema() : (digest ? digest_subject_schema() : body_schema());
    Result<Template> parsed = Template::parse(source, format, schema);
    if (!parsed) return context("template " + name, parsed.error());
    Set& set = name.find(".ja.") != std::string::npos ? out->ja_ : out->en_;
    (html ? set.html : (subject ? set.subject : (digest ? set.digest_subject : set.text))) = std::move(*parsed);
  }
  return std::shared_ptr<const MailTemplates>(std::move(out));
}

std::shared_ptr<const MailTemplates> MailTemplates::builtin() {
  // They are part of the program and a test parses them.
  static const std::shared_ptr<const MailTemplates> kShared =
      make(builtin_mail_templates()).value_or(std::shared_ptr<const MailTemplates>());
  return kShared;
}

Result<std::shared_ptr<const MailTemplates>> MailTemplates::load(Files& files, const std::string& directory) {
  if (directory.empty()) return builtin();
  std::vector<std::pair<std::string, std::string>> sources = builtin_mail_templates();
  MN_TRY(names, files.list(directory));
  for (const std::string& name : names) {
    const auto known = std::ranges::find(sources, name, &std::pair<std::string, std::string>::first);
    if (known == sources.end())
      return fail(Errc::kRefused, "template " + name + ": no mail has a template of that name");
    MN_TRY(source, read_file(files, directory + "/" + name, kTemplateBytesMax));
    known->second = std::move(source);
  }
  return make(sources);
}

RenderedMail render(const std::vector<Notice>& notices, const MailTemplates& templates, const MailWords& words,
                    const NotifyRules& rules) {
  std::vector<const Notice*> ordered;
  std::vector<MailPlan> plans;
  for (const Notice& notice : notices) {
    ordered.push_back(&notice);
    plans.push_back(notice.plan);
  }
  // Those of one instant stay in the order in which they came: the notices lie in one array.
  std::ranges::sort(ordered, [](const Notice* a, const Notice* b) {
    return std::tuple(!a->plan.urgent, a->happened, a) < std::tuple(!b->plan.urgent, b->happened, b);
  });
  const Language language = ordered.front()->plan.language;
  const bool ja = language == Language::kJapanese;
  TemplateValues values;
  values.values["institution"] = ja ? words.institution_ja : words.institution_en;
  values.values["count"] = std::to_string(ordered.size());
  put_condition(values, "digest", ordered.size() > 1);
  for (const Notice* notice : ordered) values.sections["notices"].push_back(notice_values(*notice, words));

  // A subject knows nothing of a single notice but its event: it is shown on locked screens.
  TemplateValues subject;
  subject.values = {{"institution", values.values["institution"]},
                    {"count", values.values["count"]},
                    {"event", event_words(*ordered.front())}};
  put_condition(subject, "urgent", ordered.front()->plan.urgent);
  put_condition(subject, "correction", ordered.front()->plan.kind == OccasionKind::kCorrection);

  const MailTemplates::Set& set = templates.of(language);
  RenderedMail out;
  out.subject = (ordered.size() > 1 ? set.digest_subject : set.subject).render(subject);
  out.text = set.text.render(values);
  out.html = set.html.render(values);
  out.language = ja ? "ja" : "en";
  out.message_id = digest_message_id(plans, rules);
  return out;
}

}  // namespace minato
