#include "flow/notify.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "crypto/sha256.h"
#include "format/json/json.h"

namespace minato {
namespace {

// Between the parts of what is digested: it stands in no HL7 text.
constexpr char kSeparator = '\x1F';

struct Trigger {
  std::string_view event;
  NoticeEvent notice;
  OccasionKind kind;
};
// HL7 v2.5.1 chapter 3, and 7.3.1 for results.
constexpr Trigger kAdtTriggers[] = {
    {"A01", NoticeEvent::kAdmission, OccasionKind::kNews}, {"A04", NoticeEvent::kAdmission, OccasionKind::kNews},
    {"A06", NoticeEvent::kAdmission, OccasionKind::kNews}, {"A11", NoticeEvent::kAdmission, OccasionKind::kCorrection},
    {"A03", NoticeEvent::kDischarge, OccasionKind::kNews}, {"A13", NoticeEvent::kDischarge, OccasionKind::kCorrection},
    {"A02", NoticeEvent::kTransfer, OccasionKind::kNews},  {"A12", NoticeEvent::kTransfer, OccasionKind::kCorrection},
    {"A08", NoticeEvent::kUpdate, OccasionKind::kNews},
};

constexpr std::array<std::pair<NoticeEvent, std::string_view>, 5> kEventNames = {{
    {NoticeEvent::kAdmission, "admission"},
    {NoticeEvent::kDischarge, "discharge"},
    {NoticeEvent::kTransfer, "transfer"},
    {NoticeEvent::kAbnormalResult, "abnormal-result"},
    {NoticeEvent::kUpdate, "update"},
}};

bool wanted(NoticeEvent event, const NotifyRules& rules) {
  if (event == NoticeEvent::kUpdate) return rules.updates == UpdateRule::kNotify;
  return std::ranges::find(rules.events, event) != rules.events.end();
}

std::string location_of(const hl7::Message& message) {
  const hl7::Segment visit = message.segment("PV1");
  if (!visit.exists()) return {};
  std::string out;
  const hl7::Repetition first = visit.field(3).repetition(0);
  for (std::size_t i = 1; i <= first.component_count(); ++i) out += (i == 1 ? "" : "^") + first.component(i).text();
  while (out.ends_with('^')) out.pop_back();
  return out;
}

// The first of the candidates that is a time.
struct Instant {
  std::string text;
  Time time{};
};
std::optional<Instant> first_time(const std::vector<std::string>& candidates, int utc_offset_minutes) {
  for (const std::string& text : candidates) {
    if (const std::optional<Time> time = from_hl7_dtm(text, utc_offset_minutes)) return Instant{text, *time};
  }
  return std::nullopt;
}

bool lists(const std::vector<std::string>& flags, std::string_view flag) {
  return std::ranges::any_of(flags, [&](const std::string& known) { return ascii_iequals(known, trim(flag)); });
}

std::string sha_hex(std::string_view secret, std::string_view text) {
  return crypto::hex(crypto::hmac_sha256(secret, text)).substr(0, 32);
}

std::string origin_of(const hl7::Message& message) {
  return message.get("MSH-3") + kSeparator + message.get("MSH-4") + kSeparator + message.get("MSH-10");
}

// ---- admissions, discharges, transfers

Occasion adt_occasion(const hl7::Message& message, const Trigger& trigger, const NotifyRules& rules) {
  Occasion out;
  out.event = trigger.notice;
  out.kind = trigger.kind;
  out.trigger = trigger.event;
  out.visit = message.get("PV1-19.1");
  out.location = location_of(message);
  out.origin = origin_of(message);
  std::vector<std::string> times = {message.get("EVN-6.1")};
  if (out.event == NoticeEvent::kAdmission) times.push_back(message.get("PV1-44.1"));
  if (out.event == NoticeEvent::kDischarge) times.push_back(message.get("PV1-45.1"));
  times.push_back(message.get("EVN-2.1"));
  const std::optional<Instant> said = first_time(times, rules.utc_offset_minutes);
  if (said) out.happened = said->time;
  if (!said) {
    if (const auto sent = first_time({message.get("MSH-7.1")}, rules.utc_offset_minutes)) out.happened = sent->time;
  }
  for (const std::string& part : {out.trigger, out.visit, said ? said->text : out.origin})
    out.content += part + kSeparator;
  if (out.event == NoticeEvent::kTransfer) out.content += out.location;
  // Updates of one visit and instant differ in what they say.
  if (out.event == NoticeEvent::kUpdate) out.content += crypto::hex(crypto::sha256(message.bytes()));
  return out;
}

// ---- results

bool is_result(std::string_view type, std::string_view event) {
  constexpr std::string_view kOru[] = {"R01", "R30", "R31", "R32", "R40", ""};
  constexpr std::string_view kOul[] = {"R21", "R22", "R23", "R24"};
  return (type == "ORU" && std::ranges::find(kOru, event) != std::end(kOru)) ||
         (type == "OUL" && std::ranges::find(kOul, event) != std::end(kOul));
}

enum class ResultNews : std::uint8_t { kNone, kAbnormal, kWithdrawn };

// HL7 table 0085: D deletes, W says that it was another patient's; X, N, I, O, S have no value yet.
ResultNews news_of(const hl7::Segment& obx, const NotifyRules& rules) {
  const std::vector<hl7::Repetition> flags = obx.field(8).repetitions();
  const bool abnormal = std::ranges::any_of(
      flags, [&](const hl7::Repetition& flag) { return lists(rules.abnormal_flags, flag.component(1).text()); });
  if (!abnormal) return ResultNews::kNone;
  const std::string status = obx.field(11).text();
  if (status == "D" || status == "W") return ResultNews::kWithdrawn;
  constexpr std::string_view kReported[] = {"", "F", "C", "P", "R", "U", "B", "V"};
  return std::ranges::find(kReported, status) != std::end(kReported) ? ResultNews::kAbnormal : ResultNews::kNone;
}

std::string value_of(const hl7::Segment& obx) {
  const hl7::Field value = obx.field(5);
  const std::string type = obx.field(2).text();
  const bool coded = type == "CWE" || type == "CE" || type == "CNE" || type == "CF";
  if (coded && !value.component(2).empty()) return value.component(2).text();
  if (type == "SN")
    return value.component(1).text() + value.component(2).text() + value.component(3).text() +
           value.component(4).text();
  if (type == "ED" || type == "RP") return {};
  return value.repetition(0).text();
}

AbnormalResult result_of(const hl7::Segment& obx) {
  AbnormalResult out;
  out.code = obx.field(3).component(1).text();
  out.code_text = obx.field(3).component(2).text();
  out.value = value_of(obx);
  const hl7::Repetition units = obx.field(6).repetition(0);
  out.units = units.component(1).text();
  out.reference_range = obx.field(7).text();
  out.flag = obx.field(8).component(1).text();
  out.status = obx.field(11).text();
  out.where = obx.field(5).location();
  return out;
}

bool is_urgent(const hl7::Segment& obx, const NotifyRules& rules) {
  const std::vector<hl7::Repetition> flags = obx.field(8).repetitions();
  return std::ranges::any_of(
      flags, [&](const hl7::Repetition& flag) { return lists(rules.urgent_flags, flag.component(1).text()); });
}

void digest_result(const AbnormalResult& result, const std::string& observed, std::string& content) {
  for (const std::string& part :
       {result.code, result.code_text, result.value, result.units, result.flag, result.status, observed}) {
    content += part;
    content += kSeparator;
  }
}

std::optional<Occasion> result_occasion(const hl7::Message& message, const NotifyRules& rules) {
  Occasion news, withdrawn;
  std::string order;
  bool identified = false;
  for (const hl7::Segment& segment : message.segments()) {
    if (segment.id() == "OBR") {
      order = segment.field(2).component(1).text() + kSeparator + segment.field(3).component(1).text() + kSeparator +
              segment.field(7).component(1).text() + kSeparator;
      identified = identified || order.size() > 3;
      continue;
    }
    if (segment.id() != "OBX") continue;
    const ResultNews what = news_of(segment, rules);
    if (what == ResultNews::kNone) continue;
    Occasion& into = what == ResultNews::kAbnormal ? news : withdrawn;
    const std::string observed = segment.field(14).component(1).text();
    identified = identified || !observed.empty();
    into.results.push_back(result_of(segment));
    into.urgent = into.urgent || is_urgent(segment, rules);
    into.content += order;
    digest_result(into.results.back(), observed, into.content);
  }
  if (news.results.empty() && withdrawn.results.empty()) return std::nullopt;
  const bool is_news = !news.results.empty();
  Occasion out = is_news ? std::move(news) : std::move(withdrawn);
  out.kind = is_news ? OccasionKind::kNews : OccasionKind::kCorrection;
  out.event = NoticeEvent::kAbnormalResult;
  out.trigger = message.get("MSH-9.2");
  out.visit = message.get("PV1-19.1");
  out.location = location_of(message);
  out.origin = origin_of(message);
  const auto time =
      first_time({message.get("OBR-22.1"), message.get("OBR-7.1"), message.get("MSH-7.1")}, rules.utc_offset_minutes);
  if (time) out.happened = time->time;
  // Nothing says which result this is: only the message itself does.
  if (!identified) out.content += out.origin;
  return out;
}

// ---- plans

bool tells(const std::vector<ProviderRole>& told, const std::vector<ProviderRole>& roles) {
  if (told.empty()) return true;
  return std::ranges::any_of(roles, [&](ProviderRole role) { return std::ranges::find(told, role) != told.end(); });
}

std::optional<Withheld> withheld(const Occasion& occasion, const Recipient& recipient, const Verification& verdict,
                                 const NotifyRules& rules) {
  const Provider& provider = recipient.provider;
  if (verdict.notifications_refused) return Withheld::kPatientRefused;
  if (provider.activity == Activity::kInactive) return Withheld::kInactive;
  const bool any = provider.events.empty();
  if (!any && std::ranges::find(provider.events, name(occasion.event)) == provider.events.end())
    return Withheld::kEventNotWanted;
  if (!tells(rules.roles, recipient.roles)) return Withheld::kRoleNotTold;
  if (provider.mails.empty()) return Withheld::kNoAddress;
  return std::nullopt;
}

std::int64_t local_minutes(Time time, int utc_offset_minutes) {
  return std::chrono::floor<std::chrono::minutes>(time.time_since_epoch()).count() + utc_offset_minutes;
}
Time from_local_minutes(std::int64_t minutes, int utc_offset_minutes) {
  return Time(std::chrono::minutes(minutes - utc_offset_minutes));
}

constexpr std::int64_t kMinutesOfDay = 24 * 60;
constexpr std::int64_t kDigestMinutesMax = 7 * kMinutesOfDay;

void schedule(MailPlan& plan, const Provider& provider, Time now, const NotifyRules& rules) {
  plan.not_before = now;
  if (plan.urgent && rules.urgent == UrgentRule::kOverridesDelays) return;
  const std::int64_t window = std::min<std::int64_t>(provider.digest_minutes, kDigestMinutesMax);
  Time due = now;
  if (window > 0) {
    // Windows lie on the local clock, so an hour's digest leaves on the hour.
    const std::int64_t next = (local_minutes(now, rules.utc_offset_minutes) / window + 1) * window;
    due = from_local_minutes(next, rules.utc_offset_minutes);
  }
  due = after_quiet(due, provider.quiet, rules.utc_offset_minutes);
  if (due == now) return;
  plan.not_before = due;
  plan.digest_key = std::to_string(provider.id.value) + "-" + std::to_string(to_micros(due) / 1'000'000);
}

MailPlan plan_for(const Occasion& occasion, const Recipient& recipient, const DecisionInput& input,
                  const NotifyRules& rules) {
  const Provider& provider = recipient.provider;
  MailPlan plan;
  plan.provider = provider.id;
  plan.address = provider.mails.front();
  plan.language = provider.language;
  plan.event = occasion.event;
  plan.kind = occasion.kind;
  plan.urgent = occasion.urgent;
  plan.detail = provider.detail;
  std::string what;
  for (const std::string& part :
       {std::string(name(occasion.event)), std::string(occasion.kind == OccasionKind::kNews ? "news" : "correction"),
        input.verdict.identifier.domain, input.verdict.identifier.value, occasion.content, provider.code}) {
    what += part + kSeparator;
  }
  plan.notice_id = sha_hex(rules.id_secret, what);
  plan.key = "mail:" + plan.notice_id;
  plan.message_id = "<" + plan.notice_id + "@" + rules.message_id_domain + ">";
  schedule(plan, provider, input.now, rules);
  return plan;
}

std::string_view name(Language language) { return language == Language::kJapanese ? "ja" : "en"; }
std::string_view name(Detail detail) { return detail == Detail::kFull ? "full" : "link"; }
std::string_view name(OccasionKind kind) { return kind == OccasionKind::kNews ? "news" : "correction"; }

}  // namespace

std::string_view name(NoticeEvent event) {
  const auto* const found = std::ranges::find(kEventNames, event, &std::pair<NoticeEvent, std::string_view>::first);
  return found == kEventNames.end() ? "unknown" : found->second;
}

std::optional<NoticeEvent> notice_event_named(std::string_view text) {
  const auto* const found = std::ranges::find(kEventNames, text, &std::pair<NoticeEvent, std::string_view>::second);
  return found == kEventNames.end() ? std::nullopt : std::optional(found->first);
}

std::string_view name(Withheld reason) {
  switch (reason) {
    case Withheld::kPatientRefused:
      return "patient-refused";
    case Withheld::kEventNotWanted:
      return "event-not-wanted";
    case Withheld::kNoAddress:
      return "no-address";
    case Withheld::kInactive:
      return "inactive";
    case Withheld::kRoleNotTold:
      return "role-not-told";
  }
  return "unknown";
}

std::optional<Occasion> occasion_of(const hl7::Message& message, const NotifyRules& rules) {
  const std::string type = message.get("MSH-9.1");
  std::string event = message.get("MSH-9.2");
  if (event.empty()) event = message.get("EVN-1");
  if (is_result(type, event)) {
    if (!wanted(NoticeEvent::kAbnormalResult, rules)) return std::nullopt;
    return result_occasion(message, rules);
  }
  if (type != "ADT") return std::nullopt;
  const auto* const trigger = std::ranges::find(kAdtTriggers, event, &Trigger::event);
  if (trigger == std::end(kAdtTriggers) || !wanted(trigger->notice, rules)) return std::nullopt;
  return adt_occasion(message, *trigger, rules);
}

Decision decide(const Occasion& occasion, const DecisionInput& input, const NotifyRules& rules) {
  Decision out;
  for (const Recipient& recipient : input.recipients) {
    const ProviderId id = recipient.provider.id;
    const bool planned = std::ranges::find(out.plans, id, &MailPlan::provider) != out.plans.end();
    if (planned) continue;
    if (const auto why = withheld(occasion, recipient, input.verdict, rules)) {
      out.withheld.emplace_back(id, *why);
    } else {
      out.plans.push_back(plan_for(occasion, recipient, input, rules));
    }
  }
  return out;
}

std::string digest_message_id(const std::vector<MailPlan>& plans, const NotifyRules& rules) {
  if (plans.size() == 1) return plans.front().message_id;
  std::vector<std::string> keys;
  for (const MailPlan& plan : plans) keys.push_back(plan.key);
  std::ranges::sort(keys);
  std::string what;
  for (const std::string& key : keys) what += key + kSeparator;
  return "<" + sha_hex(rules.id_secret, what) + ".digest@" + rules.message_id_domain + ">";
}

Time after_quiet(Time time, const QuietHours& quiet, int utc_offset_minutes) {
  const std::int64_t begin = quiet.begin_minute % kMinutesOfDay, end = quiet.end_minute % kMinutesOfDay;
  if (begin == end) return time;
  const std::int64_t local = local_minutes(time, utc_offset_minutes);
  const std::int64_t minute = ((local % kMinutesOfDay) + kMinutesOfDay) % kMinutesOfDay;
  const bool inside = begin < end ? minute >= begin && minute < end : minute >= begin || minute < end;
  if (!inside) return time;
  const std::int64_t wait = (end - minute + kMinutesOfDay) % kMinutesOfDay;
  return from_local_minutes(local + wait, utc_offset_minutes);
}

std::string plan_json(const MailPlan& plan) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("provider", plan.provider.value)
      .member("address", plan.address)
      .member("language", name(plan.language))
      .member("event", name(plan.event))
      .member("kind", name(plan.kind))
      .member("urgent", plan.urgent)
      .member("detail", name(plan.detail))
      .member("not_before", to_rfc3339(plan.not_before))
      .member("digest_key", plan.digest_key)
      .member("key", plan.key)
      .member("notice_id", plan.notice_id)
      .member("message_id", plan.message_id)
      .end_object();
  return out;
}

Result<MailPlan> parse_plan_json(std::string_view text) {
  const auto corrupt = [] { return fail(Errc::kCorrupt, "a mail plan is not what this program writes"); };
  const Result<json::Document> document = json::parse(text);
  if (!document) return corrupt();
  const json::Value root = document->root();
  MailPlan plan;
  const auto provider = root["provider"].integer();
  const auto urgent = root["urgent"].boolean();
  const auto event = notice_event_named(root["event"].string_or(""));
  const auto not_before = from_rfc3339(root["not_before"].string_or(""));
  const std::string_view language = root["language"].string_or(""), detail = root["detail"].string_or(""),
                         kind = root["kind"].string_or("");
  const bool words = (language == "ja" || language == "en") && (detail == "full" || detail == "link") &&
                     (kind == "news" || kind == "correction");
  if (!provider || !urgent || !event || !not_before || !words) return corrupt();
  plan.provider = ProviderId{*provider};
  plan.urgent = *urgent;
  plan.event = *event;
  plan.not_before = *not_before;
  plan.language = language == "ja" ? Language::kJapanese : Language::kEnglish;
  plan.detail = detail == "full" ? Detail::kFull : Detail::kLinkOnly;
  plan.kind = kind == "news" ? OccasionKind::kNews : OccasionKind::kCorrection;
  plan.address = root["address"].string_or("");
  plan.digest_key = root["digest_key"].string_or("");
  plan.key = root["key"].string_or("");
  plan.notice_id = root["notice_id"].string_or("");
  plan.message_id = root["message_id"].string_or("");
  if (plan.address.empty() || plan.key.empty() || plan.notice_id.empty() || plan.message_id.empty()) return corrupt();
  return plan;
}

}  // namespace minato
