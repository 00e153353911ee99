#include "flow/mail_step.h"

#include <algorithm>
#include <utility>

namespace minato {
namespace {

constexpr auto kReadWait = std::chrono::seconds(10);
// Plans that one digest carries at most; the rest goes into the next one.
constexpr std::size_t kDigestPlansMax = 200;

bool due(const ItemView& item, Time now) { return !item.item.not_before || *item.item.not_before <= now; }

}  // namespace

MailStep::MailStep(MailContext context, MailOptions options)
    : context_(std::move(context)),
      options_(std::move(options)),
      guard_(context_.journal, context_.derived, context_.clock) {}

StepResult MailStep::run(const StepInput& input) {
  const auto plan = parse_plan_json(input.leased.item.args);
  if (!plan) return StepResult::park("plan-unreadable", plan.error().what);
  auto parts = collect(input, *plan);
  if (!parts) return StepResult::retry("collect: " + parts.error().what);
  std::vector<Part> leaving;
  std::vector<ItemRef> ended;  // told already, or not to be told any more
  std::string why;
  for (Part& part : *parts) {
    const auto before = guard_.ask(part.plan.key);
    if (!before) return StepResult::retry("ledger: " + before.error().what);
    if (*before == EffectGuard::Before::kUncertain && options_.on_uncertain == OnUncertain::kPark) {
      // Of a digest only the leased item can be parked here; the others meet the same question when they are leased.
      if (part.item.item != input.leased.item.id) continue;
      StepResult parked = StepResult::park("uncertain", "the process ended while the mail was being handed over");
      parked.effects = effects_of({part}, EffectState::kUncertain, "hand-over not confirmed");
      return parked;
    }
    if (*before == EffectGuard::Before::kDone) {
      part.why = "told already";
    } else if (const Status prepared = prepare(part, Shown::kAsProviderWants); !prepared) {
      return StepResult::retry("prepare: " + prepared.error().what);
    }
    if (part.notice) {
      leaving.push_back(std::move(part));
      continue;
    }
    if (part.item.item == input.leased.item.id)
      why = part.why;
    else
      ended.push_back(part.item);
  }
  if (leaving.empty()) {
    StepResult out = StepResult::skipped(why);
    out.also = std::move(ended);
    return out;
  }
  StepResult out = send(input, std::move(leaving));
  if (out.state == StepResult::State::kDone) std::ranges::move(ended, std::back_inserter(out.also));
  return out;
}

// The leased item first; of a digest also what else is due in its lane. We hold the lane, so nobody else runs those.
Result<std::vector<MailStep::Part>> MailStep::collect(const StepInput& input, const MailPlan& plan) {
  std::vector<Part> out;
  out.push_back({{input.leased.item.id, input.leased.item.origin}, plan, {}, {}});
  if (plan.digest_key.empty()) return out;
  ItemFilter filter;
  filter.lane = input.leased.item.lanes.front();
  filter.state = ItemState::kWaiting;
  MN_TRY(waiting, context_.queue.items(filter, {}, kDigestPlansMax));
  const Time now = context_.clock.now();
  for (const ItemView& item : waiting) {
    if (item.item.id == input.leased.item.id || !due(item, now)) continue;
    auto other = parse_plan_json(item.item.args);
    if (other) out.push_back({{item.item.id, item.item.origin}, std::move(*other), {}, {}});
  }
  return out;
}

Result<Provider> MailStep::provider(ProviderId id) const {
  MN_TRY(reader, context_.derived.reader(std::chrono::steady_clock::now() + kReadWait));
  return ProviderRegistry(reader.database()).get(id);
}

// Fills in the notice, or says why the plan must not leave any more. An error: try again.
Status MailStep::prepare(Part& part, Shown shown) {
  MN_TRY(entries, context_.journal.read(part.item.origin, {.records_max = 1}));
  if (entries.empty()) return fail(Errc::kNotFound, "the message is not in the journal");
  MN_TRY(message, hl7::Message::view(entries.front().record.body));
  MN_TRY(reader, context_.derived.reader(std::chrono::steady_clock::now() + kReadWait));
  PatientRegistry patients(reader.database());
  ProviderRegistry providers(reader.database());
  VerifyOptions verify_options;
  verify_options.feed = context_.feeds->rules_of(message);
  MN_TRY(verdict, verify(message, {patients, providers, context_.master}, verify_options));
  if (verdict.kind != VerdictKind::kVerified) {
    part.why = "does not verify any more";
    return {};
  }
  if (verdict.notifications_refused) {
    part.why = "the patient wants nobody told";
    return {};
  }
  const auto occasion = occasion_of(message, options_.rules);
  if (!occasion) {
    part.why = "the rules call for no notice any more";
    return {};
  }
  const auto addressee = providers.get(part.plan.provider);
  if (!addressee || addressee->activity != Activity::kActive || addressee->mails.empty()) {
    part.why = "the provider is not to be written to any more";
    return {};
  }
  part.plan.address = addressee->mails.front();
  part.plan.detail = shown == Shown::kAll ? Detail::kFull : addressee->detail;
  part.plan.language = addressee->language;
  const Extraction found = extract_findings(message, *context_.extractor);
  part.notice = make_notice(message, part.plan, {verdict, *occasion, found.findings});
  return {};
}

std::vector<Effect> MailStep::effects_of(const std::vector<Part>& parts, EffectState state, std::string detail) const {
  std::vector<Effect> out;
  for (const Part& part : parts) {
    Effect effect;
    effect.key = part.plan.key;
    effect.kind = EffectKind::kMail;
    effect.origin = part.item.origin;
    effect.destination = part.plan.address;
    effect.provider = part.plan.provider;
    effect.event = std::string(name(part.plan.event));
    effect.state = state;
    effect.detail = detail;
    out.push_back(std::move(effect));
  }
  return out;
}

StepResult MailStep::send(const StepInput& input, std::vector<Part> parts) {
  const auto addressee = provider(parts.front().plan.provider);
  if (!addressee) return StepResult::retry("provider: " + addressee.error().what);
  std::vector<Notice> notices;
  for (const Part& part : parts) notices.push_back(*part.notice);
  const RenderedMail rendered = render(notices, *context_.templates, options_.words, options_.rules);
  Mail mail;
  mail.from = options_.from;
  mail.to = {{parts.front().plan.address, display_name(addressee->names, addressee->language)}};
  mail.subject = rendered.subject;
  mail.text = rendered.text;
  mail.html = rendered.html;
  mail.message_id = rendered.message_id;
  mail.language = rendered.language;
  mail.date = context_.clock.now();
  mail.date_offset_minutes = options_.rules.utc_offset_minutes;
  mail.headers = {{"Auto-Submitted", "auto-generated"}};
  if (const Status intended = guard_.intend(input.leased, effects_of(parts, EffectState::kIntended, "")); !intended) {
    return intended.error().code == Errc::kConflict ? StepResult::give_back()
                                                    : StepResult::retry(intended.error().what);
  }
  return settle(context_.sender.send(mail), input, parts);
}

StepResult MailStep::settle(const MailResult& result, const StepInput& input, const std::vector<Part>& parts) const {
  const std::string detail = std::string(name(result.outcome)) +
                             (result.reply_code == 0 ? "" : " " + std::to_string(result.reply_code)) +
                             (result.enhanced_code.empty() ? "" : " " + result.enhanced_code);
  StepResult out;
  switch (result.outcome) {
    case MailOutcome::kSent:
      out = StepResult::done();
      out.effects = effects_of(parts, EffectState::kDone, detail);
      for (const Part& part : parts) {
        if (part.item.item != input.leased.item.id) out.also.push_back(part.item);
      }
      return out;
    case MailOutcome::kPermanent:
      out = StepResult::park("mail-refused", detail + ": " + result.what);
      out.effects = effects_of(parts, EffectState::kFailed, detail);
      return out;
    case MailOutcome::kTemporary:
    case MailOutcome::kNotSent:
      out = StepResult::retry(detail + ": " + result.what);
      out.effects = effects_of(parts, EffectState::kFailed, detail);
      return out;
    case MailOutcome::kUncertain:
      break;
  }
  if (options_.on_uncertain == OnUncertain::kRepeat) return StepResult::retry(detail + ": " + result.what);
  out = StepResult::park("uncertain", result.what);
  out.effects = effects_of(parts, EffectState::kUncertain, detail);
  return out;
}

Result<std::string> MailStep::page(std::string_view notice_id) {
  MN_TRY(reader, context_.derived.reader(std::chrono::steady_clock::now() + kReadWait));
  MN_TRY(effect, EffectLedger(reader.database()).find("mail:" + std::string(notice_id)));
  const auto event = effect ? notice_event_named(effect->event) : std::nullopt;
  if (!event) return fail(Errc::kNotFound, "no notice has this id");
  Part part;
  part.item = {ItemId{}, effect->origin};
  part.plan.provider = effect->provider;
  part.plan.event = *event;
  part.plan.key = effect->key;
  part.plan.notice_id = notice_id;
  MN_CHECK(prepare(part, Shown::kAll));
  if (!part.notice) return fail(Errc::kRefused, part.why);
  return render({*part.notice}, *context_.templates, options_.words, options_.rules).html;
}

}  // namespace minato
