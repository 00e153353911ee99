#include <algorithm>
#include <array>

#include "format/charset/detect.h"

namespace minato::charset {
namespace {

struct Names {
  Encoding encoding;
  std::string_view usual;
  std::string_view msh18;
};
constexpr std::array kNames = std::to_array<Names>({
    {Encoding::kAscii, "US-ASCII", ""},
    {Encoding::kUtf8, "UTF-8", "UNICODE UTF-8"},
    {Encoding::kIso2022Jp, "ISO-2022-JP", "~ISO IR87"},
    {Encoding::kShiftJis, "Shift_JIS", "Shift_JIS"},
    {Encoding::kEucJp, "EUC-JP", "EUC-JP"},
    {Encoding::kIso8859_1, "ISO-8859-1", "8859/1"},
    {Encoding::kIso8859_2, "ISO-8859-2", "8859/2"},
    {Encoding::kIso8859_3, "ISO-8859-3", "8859/3"},
    {Encoding::kIso8859_4, "ISO-8859-4", "8859/4"},
    {Encoding::kIso8859_5, "ISO-8859-5", "8859/5"},
    {Encoding::kIso8859_6, "ISO-8859-6", "8859/6"},
    {Encoding::kIso8859_7, "ISO-8859-7", "8859/7"},
    {Encoding::kIso8859_8, "ISO-8859-8", "8859/8"},
    {Encoding::kIso8859_9, "ISO-8859-9", "8859/9"},
    {Encoding::kIso8859_15, "ISO-8859-15", "8859/15"},
    {Encoding::kGb18030, "GB18030", "GB 18030-2000"},
    {Encoding::kKsx1001, "EUC-KR", "KS X 1001"},
    {Encoding::kBig5, "Big5", "BIG-5"},
    {Encoding::kCns11643, "EUC-TW", "CNS 11643-1992"},
});

// Letters in capitals and digits only: every way to write a name comes to one.
struct Alias {
  std::string_view key;
  Encoding encoding;
};
constexpr std::array kAliases = std::to_array<Alias>({
    {"ASCII", Encoding::kAscii},
    {"USASCII", Encoding::kAscii},
    {"ISOIR6", Encoding::kAscii},
    {"ISO2022IR6", Encoding::kAscii},
    {"UTF8", Encoding::kUtf8},
    {"UNICODE", Encoding::kUtf8},
    {"UNICODEUTF8", Encoding::kUtf8},
    {"ISOIR192", Encoding::kUtf8},
    {"ISOIR13", Encoding::kIso2022Jp},
    {"ISOIR14", Encoding::kIso2022Jp},
    {"ISOIR87", Encoding::kIso2022Jp},
    {"ISOIR159", Encoding::kIso2022Jp},
    {"ISO2022IR13", Encoding::kIso2022Jp},
    {"ISO2022IR14", Encoding::kIso2022Jp},
    {"ISO2022IR87", Encoding::kIso2022Jp},
    {"ISO2022IR159", Encoding::kIso2022Jp},
    {"ISO2022JP", Encoding::kIso2022Jp},
    {"JIS", Encoding::kIso2022Jp},
    {"SHIFTJIS", Encoding::kShiftJis},
    {"SJIS", Encoding::kShiftJis},
    {"XSJIS", Encoding::kShiftJis},
    {"MS932", Encoding::kShiftJis},
    {"CP932", Encoding::kShiftJis},
    {"WINDOWS31J", Encoding::kShiftJis},
    {"EUCJP", Encoding::kEucJp},
    {"UJIS", Encoding::kEucJp},
    {"LATIN1", Encoding::kIso8859_1},
    {"CP1252", Encoding::kIso8859_1},
    {"WINDOWS1252", Encoding::kIso8859_1},
    {"ISOIR100", Encoding::kIso8859_1},
    {"ISOIR101", Encoding::kIso8859_2},
    {"ISOIR109", Encoding::kIso8859_3},
    {"ISOIR110", Encoding::kIso8859_4},
    {"ISOIR144", Encoding::kIso8859_5},
    {"ISOIR127", Encoding::kIso8859_6},
    {"ISOIR126", Encoding::kIso8859_7},
    {"ISOIR138", Encoding::kIso8859_8},
    {"ISOIR148", Encoding::kIso8859_9},
    {"GB18030", Encoding::kGb18030},
    {"GB180302000", Encoding::kGb18030},
    {"GBK", Encoding::kGb18030},
    {"GB2312", Encoding::kGb18030},
    {"CP936", Encoding::kGb18030},
    {"KSX1001", Encoding::kKsx1001},
    {"KSC5601", Encoding::kKsx1001},
    {"EUCKR", Encoding::kKsx1001},
    {"CP949", Encoding::kKsx1001},
    {"ISOIR149", Encoding::kKsx1001},
    {"BIG5", Encoding::kBig5},
    {"CNS116431992", Encoding::kCns11643},
    {"CNS11643", Encoding::kCns11643},
    {"EUCTW", Encoding::kCns11643},
});

// Longer than any name here.
constexpr std::size_t kKeyBytesMax = 32;

struct Key {
  std::array<char, kKeyBytesMax> bytes{};
  std::size_t size = 0;
  std::string_view view() const { return {bytes.data(), size}; }
};

bool key_of(std::string_view name, Key& key) {
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    if (!lower && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) continue;
    if (key.size == key.bytes.size()) return false;
    key.bytes[key.size++] = lower ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return key.size > 0;
}

// "88591", "ISO88591", "8859/1" …
std::optional<Encoding> iso8859_named(std::string_view key) {
  if (key.starts_with("ISO")) key.remove_prefix(3);
  if (!key.starts_with("8859")) return std::nullopt;
  key.remove_prefix(4);
  if (key == "15") return Encoding::kIso8859_15;
  if (key.size() != 1 || key[0] < '1' || key[0] > '9') return std::nullopt;
  return static_cast<Encoding>(static_cast<int>(Encoding::kIso8859_1) + (key[0] - '1'));
}

const Names& names_of(Encoding encoding) { return *std::ranges::find(kNames, encoding, &Names::encoding); }

}  // namespace

std::string_view name(Encoding encoding) { return names_of(encoding).usual; }
std::string_view msh18(Encoding encoding) { return names_of(encoding).msh18; }

std::string_view name(Warning warning) {
  switch (warning) {
    case Warning::kNone:
      return "none";
    case Warning::kUndeclared:
      return "charset-undeclared";
    case Warning::kUnknownName:
      return "charset-unknown-name";
    case Warning::kContradicted:
      return "charset-contradicted";
    case Warning::kInvalidBytes:
      return "charset-invalid-bytes";
  }
  return "unknown";
}

std::optional<Encoding> encoding_named(std::string_view name) {
  Key key;
  if (!key_of(name, key)) return std::nullopt;
  const auto alias = std::ranges::find(kAliases, key.view(), &Alias::key);
  if (alias != kAliases.end()) return alias->encoding;
  return iso8859_named(key.view());
}

std::optional<Encoding> encoding_declared(const Declaration& declaration) {
  std::optional<Encoding> found;
  bool any = false;
  std::string_view rest = declaration.msh18;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(declaration.repetition), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part.empty() || part == "\"\"") continue;
    any = true;
    const std::optional<Encoding> named = encoding_named(part);
    if (named == Encoding::kIso2022Jp) return named;
    if (named && !found) found = named;
  }
  if (any) return found;
  // HL7 table 0356: a way of switching sets makes sense only where there is more than ASCII.
  const bool switches = declaration.msh20.starts_with("ISO 2022") || declaration.msh20 == "2.3";
  return switches ? Encoding::kIso2022Jp : Encoding::kAscii;
}

}  // namespace minato::charset
