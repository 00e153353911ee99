// Who is told of what, and when: pure decisions from a verified message, the providers' delivery rules and the site's.
//
//   std::optional<Occasion> occasion = occasion_of(message, rules);           // does it call for anybody to be told?
//   Decision decision = decide(*occasion, {verdict, recipients, now}, rules);
//   for (const MailPlan& plan : decision.plans) …a child item of the mail step, with plan_json(plan) as its arguments…
//
// The same content gives the same plans: `key` is made of what happened (event, patient, visit, instant, ward or
// results) and to whom it is told, not of the message's control id, so a sender's repetition under a new id is
// recognised by the ledger of effects and by mail systems.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "flow/verify.h"
#include "format/hl7/message.h"
#include "record/providers.h"

namespace minato {

enum class NoticeEvent : std::uint8_t {
  kAdmission,       // A01, A04 (registered), A06
  kDischarge,       // A03
  kTransfer,        // A02
  kAbnormalResult,  // ORU R01, R30, R32, OUL R21–R24 with an abnormal flag in OBX-8
  kUpdate,          // A08, only when UpdateRule::kNotify
};
// "admission", "discharge", "transfer", "abnormal-result", "update": in provider rules, templates and configuration.
std::string_view name(NoticeEvent event);
std::optional<NoticeEvent> notice_event_named(std::string_view name);

enum class UpdateRule : std::uint8_t { kSilent, kNotify };
enum class UrgentRule : std::uint8_t { kWaitsLikeOthers, kOverridesDelays };
enum class RegistryProviders : std::uint8_t { kNotTold, kTold };

struct NotifyRules {
  std::vector<NoticeEvent> events = {NoticeEvent::kAdmission, NoticeEvent::kDischarge, NoticeEvent::kTransfer,
                                     NoticeEvent::kAbnormalResult};
  UpdateRule updates = UpdateRule::kSilent;
  // HL7 table 0078, compared without case.
  std::vector<std::string> abnormal_flags = {"L", "H", "LL", "HH", "LU", "HU", "<", ">", "A", "AA"};
  std::vector<std::string> urgent_flags = {"LL", "HH", "LU", "HU", "AA"};
  UrgentRule urgent =
      UrgentRule::kOverridesDelays;  // urgent results wait neither for a digest nor for quiet hours to end
  // Whether the patient's primary providers in the registry are told when the message names none (42 CFR 482.24(d)).
  RegistryProviders registry_providers = RegistryProviders::kTold;
  std::vector<ProviderRole> roles = {};  // who is told; empty: every role
  int utc_offset_minutes = 540;          // local time, for quiet hours, digests and what people read
  std::string message_id_domain = "minato.localhost";
  std::string id_secret = {};  // keys the opaque ids of links and Message-IDs; may be empty
};

// An abnormal value, as the message has it.
struct AbnormalResult {
  std::string code, code_text;  // OBX-3.1, OBX-3.2
  std::string value, units, reference_range;
  std::string flag;    // OBX-8
  std::string status;  // OBX-11: F, C (corrected) …
  hl7::Location where;
};

enum class OccasionKind : std::uint8_t { kNews, kCorrection };

// Something that people are told of.
struct Occasion {
  NoticeEvent event = NoticeEvent::kAdmission;
  OccasionKind kind = OccasionKind::kNews;  // kCorrection: it is cancelled (A11, A12, A13) or withdrawn (OBX-11 D, W)
  std::string trigger;                      // "A01"
  bool urgent = false;
  Time happened{};       // EVN-6, else PV1-44 or PV1-45, else EVN-2, else OBR-22, OBR-7, else MSH-7; 0: not said
  std::string visit;     // PV1-19
  std::string location;  // PV1-3 (transfer: the new one), its components joined by '^'
  std::string origin;    // MSH-3, MSH-4 and MSH-10, for occasions that say no time
  std::vector<AbnormalResult> results;
  std::string content;  // what makes this occasion this one, a digest; never shown
};
// nullopt: the message calls for no notice under the rules.
std::optional<Occasion> occasion_of(const hl7::Message& message, const NotifyRules& rules);

struct MailPlan {
  ProviderId provider;
  std::string address;  // the registry's first, when it was decided; asked for again when it is sent
  Language language = Language::kJapanese;
  NoticeEvent event = NoticeEvent::kAdmission;
  OccasionKind kind = OccasionKind::kNews;
  bool urgent = false;
  Detail detail = Detail::kLinkOnly;
  Time not_before{};       // the decision's instant when it may leave at once
  std::string digest_key;  // plans with the same one, not empty, leave in one mail
  std::string key;         // of the effect: "mail:" and the notice id
  std::string notice_id;   // opaque: 32 hexadecimal digits, for the link
  std::string message_id;  // "<…@domain>"
  bool operator==(const MailPlan&) const = default;
};
// As a JSON object, for a child item's arguments, and back (kCorrupt). Holds no patient data.
std::string plan_json(const MailPlan& plan);
Result<MailPlan> parse_plan_json(std::string_view json);

enum class Withheld : std::uint8_t {
  kPatientRefused,  // the patient wants nobody told
  kEventNotWanted,  // the provider's rules have other events only
  kNoAddress,
  kInactive,
  kRoleNotTold,
};
std::string_view name(Withheld reason);

struct Recipient {
  Provider provider;
  std::vector<ProviderRole> roles;
};
// The providers of the verdict, and the registry's primary ones as the rules say. Claims of the registry that its
// provider table does not vouch for are left out. Errors are the database's.
Result<std::vector<Recipient>> recipients_of(const Verification& verdict, const VerifyViews& views,
                                             const NotifyRules& rules);

struct DecisionInput {
  const Verification& verdict;  // kVerified
  const std::vector<Recipient>& recipients;
  Time now;
};
struct Decision {
  std::vector<MailPlan> plans;
  std::vector<std::pair<ProviderId, Withheld>> withheld;  // who was not told, and why
};
Decision decide(const Occasion& occasion, const DecisionInput& input, const NotifyRules& rules);

// The Message-ID of one mail that carries several plans; that of the only one, if there is but one. Their order does
// not matter.
std::string digest_message_id(const std::vector<MailPlan>& plans, const NotifyRules& rules);

// The first instant at or after `time` that is outside the quiet hours.
Time after_quiet(Time time, const QuietHours& quiet, int utc_offset_minutes);

}  // namespace minato
