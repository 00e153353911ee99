// Providers as CSV and as JSON: docs/formats/registry.md.
#include <algorithm>
#include <array>
#include <map>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "format/json/json.h"
#include "record/csv.h"
#include "record/providers.h"

namespace minato {
namespace {

constexpr std::array<std::string_view, 16> kColumns = {"code",
                                                       "family_name",
                                                       "given_name",
                                                       "family_ideographic",
                                                       "given_ideographic",
                                                       "family_phonetic",
                                                       "given_phonetic",
                                                       "mails",
                                                       "identifiers",
                                                       "language",
                                                       "full_detail",
                                                       "events",
                                                       "digest_minutes",
                                                       "quiet_hours",
                                                       "practice_group",
                                                       "active"};
constexpr std::array<std::string_view, 1> kRequired = {"code"};
constexpr std::array<std::string_view, 4> kEvents = {"admission", "discharge", "transfer", "abnormal-result"};
constexpr std::uint64_t kDigestMinutesMax = 7 * 24 * 60;

struct NameColumns {
  const char* family;
  const char* given;
  const char* representation;
};
constexpr std::array<NameColumns, 3> kNames = {{{"family_ideographic", "given_ideographic", "I"},
                                                {"family_phonetic", "given_phonetic", "P"},
                                                {"family_name", "given_name", "A"}}};

// An address that a mail server may be given: one '@', something on both sides, printable, no blanks or header
// characters (RFC 5321 section 4.1.2, without quoted local parts).
bool valid_mail(std::string_view text) {
  const auto at = text.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == text.size() || text.size() > 254) return false;
  if (text.find('@', at + 1) != std::string_view::npos || text.back() == '.' || text[at + 1] == '.') return false;
  return std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || std::string_view("<>()[]\\,;:\"").contains(c);
  });
}

std::optional<std::uint16_t> minute_of_day(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto hour = parse_unsigned(text.substr(0, colon));
  const auto minute = parse_unsigned(text.substr(colon + 1));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return static_cast<std::uint16_t>(*hour * 60 + *minute);
}

std::string time_of_day(std::uint16_t minute) {
  const auto two = [](unsigned n) { return std::string(n < 10 ? "0" : "") + std::to_string(n); };
  return two(minute / 60U) + ":" + two(minute % 60U);
}

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> items;
  for (const auto part : split(text, ';')) {
    if (!trim(part).empty()) items.emplace_back(trim(part));
  }
  return items;
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ";") + item;
  return text;
}

// Reads the fields of one provider, from a row or an object, all of them texts by column name. Faults go to `faults`.
class ProviderReader {
 public:
  using Fields = std::map<std::string, std::string, std::less<>>;
  ProviderReader(const Fields& fields, std::size_t line, CsvFaults& faults)
      : fields_(fields), line_(line), faults_(faults) {}
  Provider read();

 private:
  std::string field(std::string_view column) const {
    const auto found = fields_.find(column);
    return found == fields_.end() ? std::string() : found->second;
  }
  void fault(std::string_view column, std::string_view what) {
    faults_.add(line_, std::string(column) + ": " + std::string(what));
  }
  bool yes_or_no(std::string_view column, bool otherwise);
  void read_names(Provider& provider);
  void read_addresses(Provider& provider);
  void read_rules(Provider& provider);

  const Fields& fields_;
  std::size_t line_;
  CsvFaults& faults_;
};

Provider ProviderReader::read() {
  Provider provider;
  provider.code = field("code");
  if (provider.code.empty()) fault("code", "empty");
  read_names(provider);
  read_addresses(provider);
  read_rules(provider);
  return provider;
}

bool ProviderReader::yes_or_no(std::string_view column, bool otherwise) {
  const std::string text = field(column);
  if (text == "yes") return true;
  if (text == "no") return false;
  if (!text.empty()) fault(column, "not yes or no");
  return otherwise;
}

void ProviderReader::read_names(Provider& provider) {
  for (const auto& columns : kNames) {
    PersonName n{
        .family = field(columns.family), .given = field(columns.given), .representation = columns.representation};
    if (!n.family.empty()) {
      provider.names.push_back(std::move(n));
    } else if (!n.given.empty()) {
      fault(columns.family, "empty, but there is a given name");
    }
  }
  if (provider.names.empty()) fault("family_name", "there is no name");
}

void ProviderReader::read_addresses(Provider& provider) {
  provider.mails = list_of(field("mails"));
  for (const auto& mail : provider.mails) {
    if (!valid_mail(mail)) fault("mails", "not a mail address");
  }
  for (const auto& text : list_of(field("identifiers"))) {
    const auto at = text.rfind('@');
    const ProviderIdentifier id{at == std::string::npos ? "" : std::string(trim(std::string_view(text).substr(at + 1))),
                                std::string(trim(std::string_view(text).substr(0, at)))};
    if (id.value.empty()) fault("identifiers", "not value or value@system, separated by ';'");
    provider.identifiers.push_back(id);
  }
}

void ProviderReader::read_rules(Provider& provider) {
  const std::string language = field("language");
  if (language != "" && language != "ja" && language != "en") fault("language", "not ja or en");
  provider.language = language == "en" ? Language::kEnglish : Language::kJapanese;
  provider.detail = yes_or_no("full_detail", false) ? Detail::kFull : Detail::kLinkOnly;
  provider.activity = yes_or_no("active", true) ? Activity::kActive : Activity::kInactive;
  provider.practice_group = field("practice_group");
  provider.events = list_of(field("events"));
  for (const auto& event : provider.events) {
    if (std::ranges::find(kEvents, event) == kEvents.end()) {
      fault("events", "not admission, discharge, transfer or abnormal-result");
    }
  }
  if (const auto text = field("digest_minutes"); !text.empty()) {
    const auto minutes = parse_unsigned(text);
    if (!minutes || *minutes > kDigestMinutesMax) fault("digest_minutes", "not a number of minutes up to a week");
    provider.digest_minutes = static_cast<std::uint32_t>(minutes.value_or(0));
  }
  const std::string quiet = field("quiet_hours");
  if (quiet.empty()) return;
  const auto hyphen = quiet.find('-');
  const auto begin = minute_of_day(trim(std::string_view(quiet).substr(0, hyphen)));
  const auto end =
      hyphen == std::string::npos ? std::nullopt : minute_of_day(trim(std::string_view(quiet).substr(hyphen + 1)));
  if (!begin || !end) fault("quiet_hours", "not HH:MM-HH:MM");
  provider.quiet = {begin.value_or(0), end.value_or(0)};
}

ProviderReader::Fields fields_of(const Provider& provider) {
  ProviderReader::Fields fields;
  fields["code"] = provider.code;
  for (const auto& columns : kNames) {
    for (const auto& n : provider.names) {
      if (n.representation != columns.representation) continue;
      fields[columns.family] = n.family;
      fields[columns.given] = n.given;
    }
  }
  fields["mails"] = joined(provider.mails);
  std::vector<std::string> identifiers;
  for (const auto& id : provider.identifiers)
    identifiers.push_back(id.system.empty() ? id.value : id.value + "@" + id.system);
  fields["identifiers"] = joined(identifiers);
  fields["language"] = provider.language == Language::kEnglish ? "en" : "ja";
  fields["full_detail"] = provider.detail == Detail::kFull ? "yes" : "no";
  fields["events"] = joined(provider.events);
  fields["digest_minutes"] = std::to_string(provider.digest_minutes);
  if (provider.quiet.begin_minute != provider.quiet.end_minute) {
    fields["quiet_hours"] = time_of_day(provider.quiet.begin_minute) + "-" + time_of_day(provider.quiet.end_minute);
  }
  fields["practice_group"] = provider.practice_group;
  fields["active"] = provider.activity == Activity::kActive ? "yes" : "no";
  return fields;
}

}  // namespace

Result<std::vector<Provider>> parse_provider_csv(std::string_view csv) {
  MN_TRY(table, CsvTable::parse(csv, kColumns, kRequired));
  CsvFaults faults;
  std::vector<Provider> providers;
  std::map<std::string, std::size_t> codes;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    ProviderReader::Fields fields;
    for (const auto column : kColumns) fields.emplace(column, table.field(row, column));
    providers.push_back(ProviderReader(fields, table.line(row), faults).read());
    const auto [first, fresh] = codes.emplace(providers.back().code, table.line(row));
    if (!fresh) faults.add(table.line(row), "code: the same as in line " + std::to_string(first->second));
  }
  if (!faults.none()) return faults.error();
  return providers;
}

std::string provider_csv(const std::vector<Provider>& providers) {
  std::string csv;
  append_csv_row(csv, std::vector<std::string>(kColumns.begin(), kColumns.end()));
  for (const auto& provider : providers) {
    auto fields = fields_of(provider);
    std::vector<std::string> row;
    for (const auto column : kColumns) row.push_back(fields[std::string(column)]);
    append_csv_row(csv, row);
  }
  return csv;
}

std::string provider_json(const Provider& provider) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  const auto fields = fields_of(provider);
  for (const auto column : kColumns) {
    const auto found = fields.find(column);
    if (found != fields.end() && !found->second.empty()) json.member(column, found->second);
  }
  json.end_object();
  return out;
}

Result<Provider> parse_provider_json(std::string_view text) {
  MN_TRY(document, json::parse(text));
  if (!document.root().is_object()) return fail(Errc::kRefused, "provider: not an object");
  ProviderReader::Fields fields;
  for (const auto entry : document.root().entries()) {
    if (std::ranges::find(kColumns, entry.key) == kColumns.end())
      return fail(Errc::kRefused, "provider: unknown member");
    const auto value = entry.value.string();
    if (!value) return fail(Errc::kRefused, std::string(entry.key) + ": not a text");
    fields.emplace(entry.key, trim(*value));
  }
  CsvFaults faults;
  auto provider = ProviderReader(fields, 1, faults).read();
  if (!faults.none()) return faults.error();
  return provider;
}

}  // namespace minato
