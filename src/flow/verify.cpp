#include "flow/verify.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "flow/pix.h"

namespace minato {
namespace {

// ---- patient

// The claim of one PID. The reader of record/adt.h looks at the first PID, so each further one is shown to it alone,
// under the same MSH.
Result<PatientClaim> claim_of(const hl7::Message& message, std::size_t n, const FeedRules& rules) {
  if (n == 0) return read_patient_claim(message, rules);
  std::string bytes(message.segment("MSH").raw());
  bytes += '\r';
  bytes += message.segment("PID", n).raw();
  MN_TRY(alone, hl7::Message::parse(std::move(bytes), {.encoding = message.encoding()}));
  return read_patient_claim(alone, rules);
}

// Events that speak of two patients on purpose (HL7 v2.5.1 sections 3.3.24, 3.3.37, 3.3.34 ff.).
bool names_two_patients(const hl7::Message& message) {
  const std::string event = message.get("MSH-9.2");
  constexpr std::string_view kEvents[] = {"A17", "A18", "A24", "A30", "A34", "A35", "A36", "A37", "A39", "A40", "A41",
                                          "A42", "A43", "A44", "A45", "A46", "A47", "A48", "A49", "A50", "A51"};
  return message.get("MSH-9.1") == "ADT" && std::ranges::find(kEvents, event) != std::end(kEvents);
}

struct PatientFinding {
  PatientMatch match = PatientMatch::kNoIdentifier;
  PatientId patient;
  Identifier identifier;
  Demographics demographics;  // the master's, when `patient` is 0
  std::vector<std::string> fields;
  bool by_master = false;
};

PatientFinding finding_of(const PatientVerification& verified) {
  PatientFinding out;
  out.match = verified.match;
  out.patient = verified.patient;
  out.fields = verified.fields;
  return out;
}

bool no_answer(const Error& error) { return error.code != Errc::kRefused && error.code != Errc::kNotFound; }

// The master knows the patient under an identifier that the registry knows too.
Result<std::optional<PatientFinding>> by_cross_reference(const PatientClaim& claim, const VerifyViews& views) {
  for (const Identifier& identifier : claim.identifiers) {
    auto others = views.master->identifiers(identifier);
    if (!others && no_answer(others.error())) return context("patient master", others.error());
    if (!others || others->empty()) continue;
    PatientClaim same = claim;
    same.identifiers = std::move(*others);
    MN_TRY(verified, views.patients.verify(same));
    if (verified.match == PatientMatch::kUnknownIdentifier) continue;
    PatientFinding out = finding_of(verified);
    out.by_master = true;
    return out;
  }
  return std::optional<PatientFinding>();
}

// The master knows the patient and the registry does not: the master's demographics are what the message is held
// against.
Result<std::optional<PatientFinding>> by_demographics(const PatientClaim& claim, const VerifyViews& views) {
  std::optional<PatientFinding> worst;
  for (const Identifier& identifier : claim.identifiers) {
    auto people = views.master->people(identifier);
    if (!people && no_answer(people.error())) return context("patient master", people.error());
    if (!people) continue;
    for (const MasterPerson& person : *people) {
      if (std::ranges::find(person.identifiers, identifier) == person.identifiers.end()) continue;
      PatientFinding out = finding_of(compare_demographics(claim, person.demographics));
      out.patient = {};
      out.identifier = identifier;
      out.demographics = person.demographics;
      out.by_master = true;
      if (out.match == PatientMatch::kMatch) return out;
      worst = std::move(out);
    }
  }
  return worst;
}

bool names_one_of(const PatientClaim& claim, const std::vector<Identifier>& identifiers) {
  return std::ranges::any_of(claim.identifiers, [&](const Identifier& claimed) {
    return std::ranges::find(identifiers, claimed) != identifiers.end();
  });
}

// Whether the claim is, identifier and demographics, one who was merged into the survivor: a sender that has not heard
// of the merge yet, or a message from before it. The merged one is kept whole for this (record/patients.h).
Result<bool> is_merged_one(const PatientClaim& claim, PatientId survivor, PatientRegistry& patients) {
  std::vector<PatientId> left = {survivor};
  for (std::size_t seen = 0; !left.empty() && seen < kVerifyMergedMax; ++seen) {
    const PatientId id = left.back();
    left.pop_back();
    MN_TRY(patient, patients.get(id));
    if (id != survivor && names_one_of(claim, patient.identifiers) &&
        compare_demographics(claim, patient.demographics).match == PatientMatch::kMatch) {
      return true;
    }
    left.insert(left.end(), patient.merged.begin(), patient.merged.end());
  }
  return false;
}

Result<PatientVerification> verify_in_registry(const PatientClaim& claim, PatientRegistry& patients) {
  MN_TRY(verified, patients.verify(claim));
  if (verified.match != PatientMatch::kDemographicsDiffer || verified.patient == PatientId{}) return verified;
  MN_TRY(merged, is_merged_one(claim, verified.patient, patients));
  if (merged) {
    verified.match = PatientMatch::kMatch;
    verified.fields.clear();
  }
  return verified;
}

Result<PatientFinding> find_patient(const PatientClaim& claim, const VerifyViews& views) {
  MN_TRY(verified, verify_in_registry(claim, views.patients));
  if (verified.match != PatientMatch::kUnknownIdentifier || views.master == nullptr) return finding_of(verified);
  MN_TRY(crossed, by_cross_reference(claim, views));
  if (crossed) return std::move(*crossed);
  MN_TRY(described, by_demographics(claim, views));
  if (described) return std::move(*described);
  return finding_of(verified);
}

Rejection rejection_of(PatientMatch match) {
  switch (match) {
    case PatientMatch::kMatch:
      return Rejection::kNone;
    case PatientMatch::kNoIdentifier:
      return Rejection::kPatientNoIdentifier;
    case PatientMatch::kUnknownIdentifier:
      return Rejection::kPatientUnknown;
    case PatientMatch::kIdentifiersDiffer:
    case PatientMatch::kDemographicsDiffer:
      return Rejection::kPatientMismatch;
    case PatientMatch::kDemographicsMissing:
      return Rejection::kPatientUnproven;
  }
  return Rejection::kPatientMismatch;
}

hl7::Location pid_field(std::size_t n, std::uint32_t field) {
  hl7::Location out;
  out.segment_id = "PID";
  out.segment_occurrence = static_cast<std::uint32_t>(n + 1);
  out.field = field;
  return out;
}

// "PID-5" → 5.
std::uint32_t field_number(std::string_view name) {
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) return 0;
  return static_cast<std::uint32_t>(parse_unsigned(name.substr(dash + 1)).value_or(0));
}

void reject_patient(Verification& verdict, const PatientFinding& found, std::size_t n) {
  verdict.kind = VerdictKind::kRejected;
  verdict.rejection = rejection_of(found.match);
  verdict.detail = found.by_master ? "held against the patient master: " : "held against the registry: ";
  verdict.detail += name(found.match);
  for (const std::string& field : found.fields) {
    verdict.where.push_back(pid_field(n, field_number(field)));
  }
  if (verdict.where.empty()) verdict.where.push_back(pid_field(n, 3));
}

bool needs_no_patient(const hl7::Message& message, const PatientClaim& claim, const VerifyOptions& options) {
  if (!claim.identifiers.empty() || !claim.names.empty()) return false;
  return std::ranges::find(options.patient_optional, message.get("MSH-9.1")) != options.patient_optional.end();
}

Status accept_patient(Verification& verdict, PatientFinding found, const PatientClaim& claim,
                      const VerifyViews& views) {
  verdict.kind = VerdictKind::kVerified;
  verdict.patient = found.patient;
  verdict.identifier = std::move(found.identifier);
  if (found.patient == PatientId{}) {
    verdict.demographics = std::move(found.demographics);
    return {};
  }
  for (const Identifier& identifier : claim.identifiers) {
    MN_TRY(leads_to, views.patients.resolve(identifier));
    if (leads_to != found.patient) continue;
    verdict.identifier = identifier;
    break;
  }
  if (verdict.identifier == Identifier{} && !claim.identifiers.empty()) verdict.identifier = claim.identifiers.front();
  MN_TRY(patient, views.patients.get(found.patient));
  verdict.demographics = std::move(patient.demographics);
  verdict.notifications_refused = patient.notifications_refused;
  return {};
}

// Every PID must be the same, verified person.
Result<Verification> verify_patient(const hl7::Message& message, const VerifyViews& views,
                                    const VerifyOptions& options) {
  Verification verdict;
  const std::size_t count = names_two_patients(message) ? 1 : message.segments("PID").size();
  for (std::size_t n = 0; n < count; ++n) {
    MN_TRY(claim, claim_of(message, n, options.feed));
    if (n == 0 && needs_no_patient(message, claim, options)) return Verification{};
    MN_TRY(found, find_patient(claim, views));
    if (found.match != PatientMatch::kMatch) {
      reject_patient(verdict, found, n);
      return verdict;
    }
    if (n == 0) {
      MN_CHECK(accept_patient(verdict, std::move(found), claim, views));
      continue;
    }
    const bool same =
        found.patient == verdict.patient && (found.patient != PatientId{} || found.identifier == verdict.identifier);
    if (same) continue;
    verdict = Verification{};
    verdict.kind = VerdictKind::kRejected;
    verdict.rejection = Rejection::kPatientMismatch;
    verdict.detail = "the message is about several patients";
    verdict.where = {pid_field(n, 3)};
    return verdict;
  }
  return verdict;
}

// ---- providers

// U+FF20 and U+FE6B look like an "@" and are none.
bool looks_like_address(std::string_view text) {
  return text.find('@') != std::string_view::npos || text.find("\xEF\xBC\xA0") != std::string_view::npos ||
         text.find("\xEF\xB9\xAB") != std::string_view::npos;
}

struct AddressAt {
  std::string text;   // the whole component
  std::string field;  // as ProviderClaim::field
  hl7::Location where;
};

struct WatchedField {
  std::string_view segment;
  std::uint32_t field;
};
constexpr WatchedField kWatched[] = {{"PD1", 4},  {"PV1", 7}, {"PV1", 8}, {"PV1", 9},
                                     {"PV1", 17}, {"ROL", 4}, {"ROL", 12}};

std::string field_name(const WatchedField& watched) {
  return std::string(watched.segment) + "-" + std::to_string(watched.field);
}

// Everything that could pass for a mail address where the message names providers.
std::vector<AddressAt> addresses_in(const hl7::Message& message) {
  std::vector<AddressAt> out;
  for (const WatchedField& watched : kWatched) {
    for (const hl7::Segment& segment : message.segments(watched.segment)) {
      for (const hl7::Repetition& repetition : segment.field(watched.field).repetitions()) {
        const std::size_t components = repetition.component_count();
        for (std::size_t i = 1; i <= components; ++i) {
          const hl7::Component component = repetition.component(i);
          std::string text = component.text();
          if (!looks_like_address(text)) continue;
          out.push_back({std::move(text), field_name(watched), component.location()});
        }
      }
    }
  }
  return out;
}

hl7::Location location_of(const ProviderClaim& claim, const std::vector<AddressAt>& addresses) {
  for (const AddressAt& address : addresses) {
    if (!claim.mail.empty() && ascii_iequals(address.text, claim.mail)) return address.where;
  }
  hl7::Location out;
  out.segment_id = claim.field.substr(0, claim.field.find('-'));
  out.field = field_number(claim.field);
  return out;
}

void reject(Verification& verdict, Rejection rejection, std::string detail, hl7::Location where) {
  Verification rejected;
  rejected.kind = VerdictKind::kRejected;
  rejected.rejection = rejection;
  rejected.detail = std::move(detail);
  rejected.where = {std::move(where)};
  verdict = std::move(rejected);
}

// An address that no claim accounts for: in a sub-component, beside the identifier, padded, or with a look-alike of the
// "@".
const AddressAt* unclaimed(const std::vector<AddressAt>& addresses, const std::vector<ProviderClaim>& claims) {
  for (const AddressAt& address : addresses) {
    const bool claimed = std::ranges::any_of(claims, [&](const ProviderClaim& claim) {
      // ROL-12 belongs to the provider of ROL-4.
      const bool same_field =
          claim.field == address.field || (address.field == "ROL-12" && claim.field.starts_with("ROL"));
      return same_field && !claim.mail.empty() && ascii_iequals(claim.mail, address.text);
    });
    if (!claimed) return &address;
  }
  return nullptr;
}

void add_provider(Verification& verdict, ProviderId provider, ProviderRole role) {
  const auto known = std::ranges::find(verdict.providers, provider, &VerifiedProvider::provider);
  if (known == verdict.providers.end()) {
    verdict.providers.push_back({provider, {role}});
  } else if (std::ranges::find(known->roles, role) == known->roles.end()) {
    known->roles.push_back(role);
  }
}

// Once more, in the words of this file: whoever wrote the look-up, no address passes that is not in the provider's row.
Result<bool> address_is_of(ProviderId id, std::string_view mail, ProviderRegistry& providers) {
  MN_TRY(provider, providers.get(id));
  return std::ranges::any_of(provider.mails, [&](const std::string& own) { return ascii_iequals(own, mail); });
}

Status verify_claim(Verification& verdict, const ProviderClaim& claim, hl7::Location where,
                    ProviderRegistry& providers) {
  MN_TRY(verified, providers.verify(claim));
  switch (verified.match) {
    case ProviderMatch::kMatch: {
      if (!claim.mail.empty()) {
        MN_TRY(own, address_is_of(verified.provider, claim.mail, providers));
        if (!own) {
          reject(verdict, Rejection::kAddressMismatch, std::string(name(ProviderMatch::kMailDiffers)),
                 std::move(where));
          return {};
        }
      }
      add_provider(verdict, verified.provider, claim.role);
      return {};
    }
    case ProviderMatch::kNothingClaimed:
    case ProviderMatch::kInactive:
      return {};
    case ProviderMatch::kUnknown:
      if (claim.mail.empty()) {
        verdict.unknown_providers.push_back(std::move(where));
        return {};
      }
      break;
    default:
      break;
  }
  const Rejection rejection = claim.mail.empty() ? Rejection::kProviderMismatch : Rejection::kAddressMismatch;
  reject(verdict, rejection, "held against the registry of providers: " + std::string(name(verified.match)),
         std::move(where));
  return {};
}

Status verify_providers(Verification& verdict, const hl7::Message& message, const VerifyViews& views,
                        const VerifyOptions& options) {
  const std::vector<ProviderClaim> claims = read_provider_claims(message, options.feed);
  const std::vector<AddressAt> addresses = addresses_in(message);
  if (claims.size() > kVerifyProvidersMax || addresses.size() > kVerifyProvidersMax) {
    reject(verdict, Rejection::kProviderMismatch, "the message names too many providers", hl7::Location::of("PV1-7"));
    return {};
  }
  if (const AddressAt* const stray = unclaimed(addresses, claims); stray != nullptr) {
    reject(verdict, Rejection::kAddressMismatch, "an address stands where none may, or is not an address alone",
           stray->where);
    return {};
  }
  for (const ProviderClaim& claim : claims) {
    MN_CHECK(verify_claim(verdict, claim, location_of(claim, addresses), views.providers));
    if (verdict.kind == VerdictKind::kRejected) return {};
  }
  return {};
}

}  // namespace

std::string_view name(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNone:
      return "none";
    case Rejection::kPatientUnknown:
      return "patient-unknown";
    case Rejection::kPatientMismatch:
      return "patient-mismatch";
    case Rejection::kPatientUnproven:
      return "patient-unproven";
    case Rejection::kPatientNoIdentifier:
      return "patient-no-identifier";
    case Rejection::kAddressMismatch:
      return "address-mismatch";
    case Rejection::kProviderMismatch:
      return "provider-mismatch";
  }
  return "unknown";
}

Result<Verification> verify(const hl7::Message& message, const VerifyViews& views, const VerifyOptions& options) {
  MN_TRY(verdict, verify_patient(message, views, options));
  if (verdict.kind != VerdictKind::kVerified) return verdict;
  MN_CHECK(verify_providers(verdict, message, views, options));
  return verdict;
}

std::string describe(const Verification& verdict) {
  if (verdict.kind == VerdictKind::kVerified) return "verified";
  if (verdict.kind == VerdictKind::kNoPatient) return "no patient";
  return std::string(name(verdict.rejection)) + " at " + explain(verdict);
}

std::string explain(const Verification& verdict) {
  std::string out;
  for (const hl7::Location& where : verdict.where) out += (out.empty() ? "" : ", ") + where.text();
  return out + ": " + verdict.detail;
}

}  // namespace minato
