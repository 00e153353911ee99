#include "record/adt.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/limits.h"
#include "record/patient_events.h"

namespace minato {
namespace {

std::string trimmed(const std::string& text) { return std::string(trim(text)); }

// The first sub-component: where a component grew parts in later versions (FN, HD, SAD), the oldest meaning stands
// first.
std::string first_part(const hl7::Component& component) { return trimmed(component.subcomponent(1).text()); }

// What is there of the first `count` components, with ", " between.
std::string in_one_line(const hl7::Repetition& repetition, std::size_t count) {
  std::string line;
  for (std::size_t i = 1; i <= std::min(count, repetition.component_count()); ++i) {
    const std::string text = first_part(repetition.component(i));
    if (!text.empty()) line += (line.empty() ? "" : ", ") + text;
  }
  return line;
}

// The components in their places, with '^' between, without empty ones at the end.
std::string in_places(const hl7::Repetition& repetition) {
  std::string places;
  for (std::size_t i = 1; i <= repetition.component_count(); ++i) {
    places += (i == 1 ? "" : "^") + first_part(repetition.component(i));
  }
  places.erase(places.find_last_not_of('^') + 1);
  return places;
}

// CX-5 of identifiers that a hospital gives to its patients; others (a social security number …) are another domain
// even when no authority is named.
bool is_hospital_number(std::string_view type) {
  return type.empty() || type == "MR" || type == "PI" || type == "PT" || type == "MRT" || type == "EPI";
}

class Reader {
 public:
  Reader(const hl7::Message& message, const FeedRules& rules) : message_(message), rules_(rules) {}

  std::vector<Identifier> identifiers(const hl7::Field& field) const;
  std::vector<Identifier> patient_identifiers(const hl7::Segment& pid) const;
  std::vector<PersonName> names(const hl7::Field& field) const;
  Demographics demographics(const hl7::Segment& pid) const;
  std::optional<VisitClaim> visit() const;
  std::vector<ProviderClaim> providers(const hl7::Field& field, ProviderRole role, std::string_view name) const;
  std::vector<ProviderClaim> roles() const;
  std::optional<std::vector<ProviderClaim>> primary_providers() const;
  std::optional<Time> time(const hl7::Field& field) const;
  std::string trigger() const;
  PatientEvent event(const hl7::Segment& pid, Time received) const;

 private:
  std::string domain(const hl7::Component& authority) const;
  std::optional<std::vector<std::string>> addresses(const hl7::Field& field) const;
  std::optional<std::vector<std::string>> phones(const hl7::Segment& pid) const;

  const hl7::Message& message_;
  const FeedRules& rules_;
};

std::string Reader::domain(const hl7::Component& authority) const {
  const std::string space = first_part(authority);
  const std::string universal = trimmed(authority.subcomponent(2).text());
  const std::string& known = universal.empty() ? space : universal;
  const auto alias = rules_.domain_aliases.find(known);
  return alias == rules_.domain_aliases.end() ? known : alias->second;
}

std::vector<Identifier> Reader::identifiers(const hl7::Field& field) const {
  std::vector<Identifier> all;
  for (const auto& repetition : field.repetitions()) {
    if (all.size() >= kRegistryIdentifiersPerEventMax) break;
    if (repetition.is_null()) continue;
    Identifier identifier{domain(repetition.component(4)), first_part(repetition.component(1))};
    if (identifier.value.empty() || repetition.component(1).is_null()) continue;
    const std::string type = first_part(repetition.component(5));
    if (identifier.domain.empty()) {
      identifier.domain = rules_.default_domain;
      if (!is_hospital_number(type)) identifier.domain += ":" + type;
    }
    if (std::ranges::find(all, identifier) == all.end()) all.push_back(std::move(identifier));
  }
  return all;
}

std::vector<Identifier> Reader::patient_identifiers(const hl7::Segment& pid) const {
  auto all = identifiers(pid.field(3));
  // Before v2.3.1 the external id was the only one that some senders filled.
  return all.empty() ? identifiers(pid.field(2)) : all;
}

std::vector<PersonName> Reader::names(const hl7::Field& field) const {
  std::vector<PersonName> all;
  for (const auto& repetition : field.repetitions()) {
    PersonName n{.family = first_part(repetition.component(1)),
                 .given = first_part(repetition.component(2)),
                 .middle = first_part(repetition.component(3)),
                 .representation = first_part(repetition.component(8)),
                 .type = first_part(repetition.component(7))};
    if (!n.family.empty() || !n.given.empty()) all.push_back(std::move(n));
  }
  return all;
}

std::optional<std::vector<std::string>> Reader::addresses(const hl7::Field& field) const {
  if (field.empty()) return std::nullopt;
  std::vector<std::string> all;
  for (const auto& repetition : field.repetitions()) {
    const std::string text = in_one_line(repetition, 6);
    if (!text.empty()) all.push_back(text);
  }
  return all;
}

std::optional<std::vector<std::string>> Reader::phones(const hl7::Segment& pid) const {
  if (pid.field(13).empty() && pid.field(14).empty()) return std::nullopt;
  std::vector<std::string> all;
  for (const std::size_t number : {13U, 14U}) {
    for (const auto& repetition : pid.field(number).repetitions()) {
      // XTN-1 until v2.5, XTN-12 after; XTN-4 is a mail address.
      for (const std::size_t component : {1U, 12U, 4U}) {
        const std::string text = first_part(repetition.component(component));
        if (text.empty()) continue;
        all.push_back(text);
        break;
      }
    }
  }
  return all;
}

std::optional<std::string> code(const hl7::Field& field) {
  if (field.empty()) return std::nullopt;
  return first_part(field.component(1));
}

Demographics Reader::demographics(const hl7::Segment& pid) const {
  Demographics d;
  if (!pid.field(5).empty()) {
    d.names = names(pid.field(5));
    for (auto& alias : names(pid.field(9))) {
      alias.type = "A";
      d.names->push_back(std::move(alias));
    }
  }
  d.birth_date = code(pid.field(7));
  if (d.birth_date) d.birth_date = d.birth_date->substr(0, 8);
  d.sex = code(pid.field(8));
  if (d.sex == "m" || d.sex == "f") d.sex = d.sex == "m" ? "M" : "F";
  d.addresses = addresses(pid.field(11));
  d.phones = phones(pid);
  d.death_time = code(pid.field(29));
  if (!d.death_time && !pid.field(30).empty()) d.death_time = code(pid.field(30)) == "Y" ? "Y" : "";
  return d;
}

std::vector<ProviderClaim> Reader::providers(const hl7::Field& field, ProviderRole role, std::string_view name) const {
  std::vector<ProviderClaim> all;
  for (const auto& repetition : field.repetitions()) {
    ProviderClaim claim{.role = role,
                        .id = first_part(repetition.component(1)),
                        .system = domain(repetition.component(9)),
                        .family = first_part(repetition.component(2)),
                        .given = first_part(repetition.component(3)),
                        .field = std::string(name)};
    if (claim.id.find('@') != std::string::npos) claim.mail = claim.id;
    if (!claim.id.empty() || !claim.family.empty()) all.push_back(std::move(claim));
  }
  return all;
}

ProviderRole role_named(std::string_view code) {  // HL7 table 0443
  if (code == "PP" || code == "FHCP") return ProviderRole::kPrimary;
  if (code == "AT") return ProviderRole::kAttending;
  if (code == "RP") return ProviderRole::kReferring;
  if (code == "CP") return ProviderRole::kConsulting;
  if (code == "AD") return ProviderRole::kAdmitting;
  return ProviderRole::kOther;
}

std::vector<ProviderClaim> Reader::roles() const {
  std::vector<ProviderClaim> all;
  for (const auto& rol : message_.segments("ROL")) {
    auto claims = providers(rol.field(4), role_named(first_part(rol.field(3).component(1))), "ROL-4");
    for (auto& claim : claims) {
      for (const auto& telecommunication : rol.field(12).repetitions()) {
        const std::string mail = first_part(telecommunication.component(4));
        if (claim.mail.empty() && mail.find('@') != std::string::npos) claim.mail = mail;
      }
      all.push_back(std::move(claim));
    }
  }
  return all;
}

std::optional<std::vector<ProviderClaim>> Reader::primary_providers() const {
  const auto pd1 = message_.segment("PD1").field(4);
  std::vector<ProviderClaim> all = providers(pd1, ProviderRole::kPrimary, "PD1-4");
  for (auto& claim : roles()) {
    if (claim.role == ProviderRole::kPrimary) all.push_back(std::move(claim));
  }
  if (all.empty() && pd1.empty()) return std::nullopt;
  return all;
}

std::optional<Time> Reader::time(const hl7::Field& field) const {
  const std::string text = first_part(field.component(1));
  return text.empty() ? std::nullopt : from_hl7_dtm(text, rules_.utc_offset_minutes);
}

std::optional<VisitClaim> Reader::visit() const {
  const auto pv1 = message_.segment("PV1");
  if (!pv1.exists()) return std::nullopt;
  VisitClaim visit;
  visit.number = first_part(pv1.field(19).component(1));
  visit.patient_class = code(pv1.field(2));
  if (!pv1.field(3).empty()) visit.location = in_places(pv1.field(3).repetition(0));
  if (!pv1.field(7).empty()) visit.attending = providers(pv1.field(7), ProviderRole::kAttending, "PV1-7");
  visit.admitted = time(pv1.field(44));
  visit.discharged = time(pv1.field(45));
  return visit;
}

std::string Reader::trigger() const {
  const std::string event = message_.get("MSH-9.2");
  return trimmed(event.empty() ? message_.get("EVN-1") : event);
}

PatientEvent Reader::event(const hl7::Segment& pid, Time received) const {
  PatientEvent event;
  event.code = trigger();
  event.received = received;
  event.happened =
      time(message_.segment("EVN").field(2)).value_or(time(message_.segment("MSH").field(7)).value_or(received));
  event.source = rules_.source;
  event.identifiers = patient_identifiers(pid);
  event.demographics = demographics(pid);
  return event;
}

// A40 and its kin repeat PID and MRG: each MRG belongs to the PID before it.
std::vector<PatientEvent> merges(const hl7::Message& message, const Reader& reader, Time received) {
  std::vector<PatientEvent> events;
  hl7::Segment pid;
  bool answered = true;  // the PID has its MRG
  for (const auto& segment : message.segments()) {
    if (segment.id() == "PID") {
      if (!answered) events.push_back(reader.event(pid, received));
      pid = segment;
      answered = false;
    }
    if (segment.id() != "MRG" || !pid.exists()) continue;
    events.push_back(reader.event(pid, received));
    events.back().prior = reader.identifiers(segment.field(1));
    answered = true;
  }
  if (!answered) events.push_back(reader.event(pid, received));
  return events;
}

void add_values(const hl7::Field& field, std::vector<std::string>& values) {
  for (const auto& repetition : field.repetitions()) {
    const std::string value = first_part(repetition.component(1));
    if (value.empty() || values.size() >= kIndexIdsPerMessageMax) continue;
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
  }
}

}  // namespace

std::vector<PatientEvent> read_patient_events(const hl7::Message& message, const FeedRules& rules, Time received) {
  const auto pid = message.segment("PID");
  if (trim(message.get("MSH-9.1")) != "ADT" || !pid.exists()) return {};
  const Reader reader(message, rules);
  const auto action = event_effect(reader.trigger()).patient;
  if (action == PatientAction::kMerge || action == PatientAction::kChangeIdentifier) {
    return merges(message, reader, received);
  }
  PatientEvent event = reader.event(pid, received);
  if (action == PatientAction::kLink || action == PatientAction::kUnlink) {
    event.prior = reader.patient_identifiers(message.segment("PID", 1));
  } else {
    event.visit = reader.visit();
    event.primary_providers = reader.primary_providers();
  }
  return {std::move(event)};
}

PatientClaim read_patient_claim(const hl7::Message& message, const FeedRules& rules) {
  const Reader reader(message, rules);
  const auto pid = message.segment("PID");
  PatientClaim claim;
  if (!pid.exists()) return claim;
  claim.identifiers = reader.patient_identifiers(pid);
  claim.names = reader.names(pid.field(5));
  const Demographics d = reader.demographics(pid);
  claim.birth_date = d.birth_date.value_or("");
  claim.sex = d.sex.value_or("");
  return claim;
}

std::vector<ProviderClaim> read_provider_claims(const hl7::Message& message, const FeedRules& rules) {
  const Reader reader(message, rules);
  auto all = reader.providers(message.segment("PD1").field(4), ProviderRole::kPrimary, "PD1-4");
  const auto pv1 = message.segment("PV1");
  const auto add = [&all](std::vector<ProviderClaim> claims) {
    for (auto& claim : claims) all.push_back(std::move(claim));
  };
  add(reader.providers(pv1.field(7), ProviderRole::kAttending, "PV1-7"));
  add(reader.providers(pv1.field(8), ProviderRole::kReferring, "PV1-8"));
  add(reader.providers(pv1.field(9), ProviderRole::kConsulting, "PV1-9"));
  add(reader.providers(pv1.field(17), ProviderRole::kAdmitting, "PV1-17"));
  add(reader.roles());
  return all;
}

MessageIds read_message_ids(const hl7::Message& message) {
  MessageIds ids;
  for (const auto& pid : message.segments("PID")) {
    for (const std::size_t number : {3U, 2U, 4U}) add_values(pid.field(number), ids.patient_ids);
    add_values(pid.field(18), ids.encounter_ids);
  }
  for (const auto& mrg : message.segments("MRG")) {
    for (const std::size_t number : {1U, 4U}) add_values(mrg.field(number), ids.patient_ids);
  }
  for (const auto& pv1 : message.segments("PV1")) add_values(pv1.field(19), ids.encounter_ids);
  for (const auto& orc : message.segments("ORC")) {
    for (const std::size_t number : {2U, 3U}) add_values(orc.field(number), ids.order_ids);
  }
  for (const auto& obr : message.segments("OBR")) {
    for (const std::size_t number : {2U, 3U, 18U}) add_values(obr.field(number), ids.order_ids);
  }
  return ids;
}

}  // namespace minato
