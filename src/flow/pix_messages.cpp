#include "flow/pix_messages.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "format/hl7/build.h"
#include "format/hl7/escape.h"
#include "format/hl7/message.h"
#include "format/json/json.h"
#include "os/http_types.h"

namespace minato {
namespace {

bool is_oid(std::string_view domain) {
  return domain.find('.') != std::string_view::npos &&
         domain.find_first_not_of("0123456789.") == std::string_view::npos;
}

// What the master calls a domain of ours, and back.
std::string masters_word(const std::string& domain, const MasterOptions& options) {
  const auto alias =
      std::ranges::find(options.domain_aliases, domain, &std::pair<const std::string, std::string>::second);
  return alias == options.domain_aliases.end() ? domain : alias->first;
}
std::string our_word(const std::string& domain, const MasterOptions& options) {
  const auto alias = options.domain_aliases.find(domain);
  return alias == options.domain_aliases.end() ? domain : alias->second;
}

Result<std::string> encoded(std::string_view text) {
  return hl7::encode_text(text, {.delimiters = {}, .encoding = charset::Encoding::kUtf8});
}

hl7::MessageBuilder start_query(const MasterQuery& query, const MasterOptions& options, std::string_view event) {
  hl7::MessageBuilder out;
  out.segment("MSH").field(3, options.application).field(4, options.facility);
  out.field(5, options.master_application).field(6, options.master_facility).field(7, query.time_dtm);
  out.components(9, {"QBP", event, "QBP_Q21"}).field(10, query.control_id).field(11, "P").field(12, "2.5");
  return out;
}

// ---- answers in HL7 v2

// Whether the answer is to this question, and what it says of itself; nullopt: nobody was found.
Result<bool> found_somebody(const hl7::Message& answer, const MasterQuery& query) {
  if (answer.get("MSH-9.1") != "RSP" && !answer.segment("MSA").exists()) {
    return fail(Errc::kRetry, "the master answered with something else");
  }
  if (answer.get("MSA-2") != query.control_id) return fail(Errc::kRetry, "the master answered another question");
  const std::string ack = answer.get("MSA-1"), status = answer.get("QAK-2");
  if (ack == "AA" || ack == "CA") return status != "NF";
  // ITI TF-2 3.9.4.2.2.6: an identifier that the master does not know is AE with 204.
  for (const hl7::Segment& error : answer.segments("ERR")) {
    if (error.field(3).component(1).text() == "204") return false;
  }
  return fail(Errc::kRefused, "the master refused the question");
}

Identifier read_identifier(const hl7::Repetition& cx, const MasterOptions& options) {
  const hl7::Component authority = cx.component(4);
  const std::string universal = authority.subcomponent(2).text();
  return {our_word(universal.empty() ? authority.subcomponent(1).text() : universal, options), cx.component(1).text()};
}

std::vector<Identifier> read_identifiers(const hl7::Segment& pid, const MasterOptions& options) {
  std::vector<Identifier> out;
  for (const hl7::Repetition& cx : pid.field(3).repetitions()) {
    Identifier identifier = read_identifier(cx, options);
    if (!identifier.value.empty()) out.push_back(std::move(identifier));
  }
  return out;
}

MasterPerson read_person(const hl7::Segment& pid, const MasterOptions& options) {
  MasterPerson out;
  out.identifiers = read_identifiers(pid, options);
  std::vector<PersonName> names;
  for (const hl7::Repetition& xpn : pid.field(5).repetitions()) {
    PersonName name;
    name.family = xpn.component(1).subcomponent(1).text();
    name.given = xpn.component(2).text();
    name.middle = xpn.component(3).text();
    name.type = xpn.component(7).text();
    name.representation = xpn.component(8).text();
    if (!trim(name.family).empty() || !trim(name.given).empty()) names.push_back(std::move(name));
  }
  out.demographics.names = std::move(names);
  out.demographics.birth_date = pid.field(7).component(1).text().substr(0, 8);
  out.demographics.sex = pid.field(8).text();
  return out;
}

Result<hl7::Message> parse_answer(std::string_view bytes) {
  auto answer = hl7::Message::parse(std::string(bytes));
  if (!answer) return context("answer of the patient master", answer.error());
  return answer;
}

// ---- FHIR

Result<std::string> system_of(const std::string& domain, const MasterOptions& options) {
  const auto configured = options.domain_systems.find(domain);
  if (configured != options.domain_systems.end()) return configured->second;
  const std::string theirs = masters_word(domain, options);
  if (is_oid(theirs)) return "urn:oid:" + theirs;
  if (theirs.find(':') != std::string::npos) return theirs;
  return fail(Errc::kRefused, "no FHIR system is configured for the identifier's domain");
}

std::string domain_of(std::string_view system, const MasterOptions& options) {
  const auto configured =
      std::ranges::find(options.domain_systems, system, &std::pair<const std::string, std::string>::second);
  if (configured != options.domain_systems.end()) return configured->first;
  constexpr std::string_view kOid = "urn:oid:";
  if (system.starts_with(kOid)) system.remove_prefix(kOid.size());
  return our_word(std::string(system), options);
}

Result<std::string> token_parameter(const Identifier& identifier, const MasterOptions& options) {
  MN_TRY(system, system_of(identifier.domain, options));
  return http::percent_encode(system + "|" + identifier.value);
}

std::string base_of(const MasterOptions& options) {
  std::string_view url = options.url;
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

void add_identifier(json::Value value, const MasterOptions& options, std::vector<Identifier>& out) {
  const std::string_view id = value["value"].string_or("");
  if (!id.empty()) out.push_back({domain_of(value["system"].string_or(""), options), std::string(id)});
}

// HL7 v3's codes for the writing of a name, as HL7 v2 has them in XPN-8.
std::string representation_of(json::Value name) {
  for (const auto extension : name["extension"].entries()) {
    const std::string_view url = extension.value["url"].string_or("");
    if (!url.ends_with("/iso21090-EN-representation")) continue;
    const std::string_view code = extension.value["valueCode"].string_or("");
    if (code == "IDE") return "I";
    if (code == "SYL") return "P";
    if (code == "ABC") return "A";
  }
  return {};
}

PersonName read_name(json::Value value) {
  PersonName out;
  out.family = value["family"].string_or("");
  std::size_t n = 0;
  for (const auto given : value["given"].entries()) {
    std::string& into = n++ == 0 ? out.given : out.middle;
    if (!into.empty()) into += ' ';
    into += given.value.string_or("");
  }
  out.representation = representation_of(value);
  out.type = value["use"].string_or("") == "maiden" ? "M" : "L";
  return out;
}

std::string sex_of(std::string_view gender) {
  if (gender == "male") return "M";
  if (gender == "female") return "F";
  if (gender == "other") return "O";
  return gender.empty() ? "" : "U";
}

MasterPerson read_patient(json::Value patient, const MasterOptions& options) {
  MasterPerson out;
  for (const auto identifier : patient["identifier"].entries())
    add_identifier(identifier.value, options, out.identifiers);
  std::vector<PersonName> names;
  for (const auto name : patient["name"].entries()) names.push_back(read_name(name.value));
  out.demographics.names = std::move(names);
  std::string birth_date(patient["birthDate"].string_or(""));
  std::erase(birth_date, '-');
  out.demographics.birth_date = std::move(birth_date);
  out.demographics.sex = sex_of(patient["gender"].string_or(""));
  return out;
}

Result<json::Document> parse_resource(std::string_view text, std::string_view type) {
  auto document = json::parse(text, {.bytes_max = kMasterAnswerBytesMax});
  if (!document) return fail(Errc::kRetry, "the master's answer is not JSON");
  if (document->root()["resourceType"].string_or("") != type)
    return fail(Errc::kRetry, "the master answered with another resource");
  return document;
}

}  // namespace

Result<std::string> pix_query(const MasterQuery& query, const MasterOptions& options) {
  const std::string domain = masters_word(query.identifier.domain, options);
  MN_TRY(value, encoded(query.identifier.value));
  MN_TRY(authority, encoded(domain));
  hl7::MessageBuilder out = start_query(query, options, "Q23");
  out.segment("QPD").components(1, {"IHE PIX Query"}).field(2, query.control_id);
  out.raw(3, value + "^^^" + (is_oid(domain) ? "&" + authority + "&ISO" : authority));
  out.segment("RCP").field(1, "I");
  return out.build();
}

Result<std::string> pdq_query(const MasterQuery& query, const MasterOptions& options) {
  const std::string domain = masters_word(query.identifier.domain, options);
  MN_TRY(value, encoded(query.identifier.value));
  MN_TRY(authority, encoded(domain));
  hl7::MessageBuilder out = start_query(query, options, "Q22");
  out.segment("QPD").components(1, {"IHE PDQ Query"}).field(2, query.control_id);
  std::string parameters = "@PID.3.1^" + value;
  if (is_oid(domain)) {
    parameters += "~@PID.3.4.2^" + authority + "~@PID.3.4.3^ISO";
  } else if (!domain.empty()) {
    parameters += "~@PID.3.4.1^" + authority;
  }
  out.raw(3, parameters);
  out.segment("RCP").field(1, "I").components(2, {std::to_string(kMasterPeopleMax), "RD"});
  return out.build();
}

Result<std::vector<Identifier>> read_pix_answer(std::string_view bytes, const MasterQuery& query,
                                                const MasterOptions& options) {
  MN_TRY(answer, parse_answer(bytes));
  MN_TRY(found, found_somebody(answer, query));
  if (!found || !answer.segment("PID").exists()) return std::vector<Identifier>();
  return read_identifiers(answer.segment("PID"), options);
}

Result<std::vector<MasterPerson>> read_pdq_answer(std::string_view bytes, const MasterQuery& query,
                                                  const MasterOptions& options) {
  MN_TRY(answer, parse_answer(bytes));
  MN_TRY(found, found_somebody(answer, query));
  std::vector<MasterPerson> out;
  if (!found) return out;
  for (const hl7::Segment& pid : answer.segments("PID")) {
    if (out.size() >= kMasterPeopleMax) break;
    out.push_back(read_person(pid, options));
  }
  return out;
}

Result<std::string> pixm_url(const Identifier& identifier, const MasterOptions& options) {
  MN_TRY(token, token_parameter(identifier, options));
  return base_of(options) + "/Patient/$ihe-pix?sourceIdentifier=" + token;
}

Result<std::string> pdqm_url(const Identifier& identifier, const MasterOptions& options) {
  MN_TRY(token, token_parameter(identifier, options));
  return base_of(options) + "/Patient?identifier=" + token + "&_count=" + std::to_string(kMasterPeopleMax);
}

Result<std::vector<Identifier>> read_pixm_answer(std::string_view text, const MasterOptions& options) {
  MN_TRY(document, parse_resource(text, "Parameters"));
  std::vector<Identifier> out;
  for (const auto parameter : document.root()["parameter"].entries()) {
    if (parameter.value["name"].string_or("") != "targetIdentifier") continue;
    add_identifier(parameter.value["valueIdentifier"], options, out);
  }
  return out;
}

Result<std::vector<MasterPerson>> read_pdqm_answer(std::string_view text, const MasterOptions& options) {
  MN_TRY(document, parse_resource(text, "Bundle"));
  std::vector<MasterPerson> out;
  for (const auto entry : document.root()["entry"].entries()) {
    const json::Value resource = entry.value["resource"];
    if (resource["resourceType"].string_or("") != "Patient" || out.size() >= kMasterPeopleMax) continue;
    out.push_back(read_patient(resource, options));
  }
  return out;
}

}  // namespace minato
