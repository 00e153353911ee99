// The words in which people and their identifiers are spoken of here: what a message claims, what the registries hold.
// Plain data; all text is UTF-8.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace minato {

using PatientId = StrongInt<struct PatientIdTag, std::int64_t>;
using ProviderId = StrongInt<struct ProviderIdTag, std::int64_t>;

// A patient identifier in its domain: the authority that assigned it (HL7 v2.5.1 section 2.A.14, CX-4). The domain is
// the universal id when there is one ("2.16.840.1.113883.3.1"), else the namespace ("HOSPITAL"), after the site's
// aliases.
struct Identifier {
  std::string domain = {};
  std::string value = {};
  friend auto operator<=>(const Identifier&, const Identifier&) = default;
};

// One repetition of PID-5 (XPN). `representation` is XPN-8: "A" alphabetic, "I" ideographic, "P" phonetic, or empty.
struct PersonName {
  std::string family = {}, given = {}, middle = {};
  std::string representation = {};
  std::string type = {};  // XPN-7: "L" legal, "M" maiden …
  friend auto operator<=>(const PersonName&, const PersonName&) = default;
};

// What is known of a person. In an event or import, nullopt: nothing was said, keep what there is; an empty value: it
// was said that there is none (HL7 v2.5.1 section 2.5.3, the null value "").
struct Demographics {
  std::optional<std::vector<PersonName>> names = {};
  std::optional<std::string> birth_date = {};              // YYYY[MM[DD]]
  std::optional<std::string> sex = {};                     // HL7 table 0001: F M O U A N
  std::optional<std::vector<std::string>> addresses = {};  // one line of text each
  std::optional<std::vector<std::string>> phones = {};
  std::optional<std::string> death_time = {};  // PID-29 as written, or "Y" from PID-30
  friend bool operator==(const Demographics&, const Demographics&) = default;
};

enum class ProviderRole : std::uint8_t { kPrimary, kAttending, kReferring, kConsulting, kAdmitting, kOther };
std::string_view name(ProviderRole role);

// A provider as a message names one (XCN). `mail` is set when the id is a mail address, as senders do in PD1-4, or when
// a telecommunication field beside it has one (ROL-12).
struct ProviderClaim {
  ProviderRole role = ProviderRole::kOther;
  std::string id = {};
  std::string system = {};  // XCN-9, as Identifier::domain; may be empty
  std::string family = {}, given = {};
  std::string mail = {};
  std::string field = {};  // where it stood: "PD1-4"
  friend auto operator<=>(const ProviderClaim&, const ProviderClaim&) = default;
};

// A stay or contact as one message tells of it (PV1).
struct VisitClaim {
  std::string number = {};                        // PV1-19; empty: the patient's only visit without a number
  std::optional<std::string> patient_class = {};  // PV1-2: I inpatient, O outpatient, E emergency, P preadmit …
  std::optional<std::string> location = {};       // PV1-3, its components joined by '^'
  std::optional<std::vector<ProviderClaim>> attending = {};  // PV1-7
  std::optional<Time> admitted = {}, discharged = {};        // PV1-44, PV1-45
  friend bool operator==(const VisitClaim&, const VisitClaim&) = default;
};

// Who a message says its patient is: what the verify step holds against the registry.
struct PatientClaim {
  std::vector<Identifier> identifiers = {};  // PID-3, first one first
  std::vector<PersonName> names = {};
  std::string birth_date = {}, sex = {};  // empty: not said
};

}  // namespace minato
