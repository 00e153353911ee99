#include "store/journal/test_records.h"

#include <array>
#include <cstdio>

namespace minato {

namespace {

constexpr std::array kFamilies = {"SATO",     "SUZUKI",    "TAKAHASHI", "TANAKA", "WATANABE", "ITO",
                                  "YAMAMOTO", "NAKAMURA",  "KOBAYASHI", "KATO",   "YOSHIDA",  "YAMADA",
                                  "SASAKI",   "MATSUMOTO", "INOUE",     "KIMURA"};
constexpr std::array kGivens = {"HARUTO", "YUI", "SOTA",  "AOI",    "MINATO", "HINA",
                                "REN",    "MEI", "KAITO", "SAKURA", "RIKU"};
constexpr std::array kWards = {"3E^301^1", "3E^302^2", "4W^411^1", "ICU^01^1", "5N^512^4", "2S^203^2", "ER^07^1"};
constexpr std::array kAllergens = {"PENICILLIN", "CEPHALOSPORIN", "LATEX", "IODINE", "NSAID"};
constexpr std::array kDiagnoses = {"HEART FAILURE", "ATRIAL FIBRILLATION", "ESSENTIAL HYPERTENSION",
                                   "CEREBRAL INFARCTION"};
constexpr std::array kEvents = {"A01", "A02", "A03", "A04", "A05", "A08", "A08", "A08"};
constexpr std::array kStreets = {"Chuo-ku Ginza", "Minato-ku Shiba", "Naka-ku Honmachi", "Kita-ku Umeda",
                                 "Aoba-ku Ichibancho"};

// splitmix64, as os/sim has it: this library does not link the simulation.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15) {}
  unsigned below(std::uint64_t bound) {
    std::uint64_t bits = state_ += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return static_cast<unsigned>((bits ^ (bits >> 31)) % bound);
  }
  template <std::size_t N>
  const char* one_of(const std::array<const char*, N>& names) {
    return names[below(N)];
  }

 private:
  std::uint64_t state_;
};

template <typename... Values>
void print(std::string& out, const char* format, Values... values) {
  std::array<char, 512> line{};
  const int size = std::snprintf(line.data(), line.size(), format, values...);
  out.append(line.data(), static_cast<std::size_t>(size));
}

std::string message(std::uint64_t number) {
  Numbers random(number);
  const auto patient = random.below(20'000) + 1'000'000;
  Numbers person(patient);  // the same patient has the same name each time
  const char* family = person.one_of(kFamilies);
  const char* given = person.one_of(kGivens);
  const auto seconds = static_cast<unsigned>(number % 86'400);
  const auto day = static_cast<unsigned>(1 + number / 86'400 % 28);
  std::array<char, 32> stamp{};
  std::snprintf(stamp.data(), stamp.size(), "202611%02u%02u%02u%02u", day, seconds / 3600, seconds / 60 % 60,
                seconds % 60);
  const char* event = random.one_of(kEvents);
  const char* ward = random.one_of(kWards);
  std::string out;
  print(out, "MSH|^~\\&|HIS|MAIN HOSPITAL|MINATO|INTEGRATION|%s||ADT^%s|MSG%010llu|P|2.5.1|||AL|NE|JPN|UNICODE UTF-8\r",
        stamp.data(), event, static_cast<unsigned long long>(number));
  print(out, "EVN|%s|%s|||OP%04u^%s^%s\r", event, stamp.data(), random.below(400), random.one_of(kFamilies),
        random.one_of(kGivens));
  print(out, "PID|1||%u^^^MAIN^MR~%08u^^^JHN^NI||%s^%s^^^^^L||19%02u%02u%02u|%s|||%u-%u %s^^TOKYO^13^%03u-%04u^JPN||",
        patient, person.below(100'000'000), family, given, 20 + person.below(79), 1 + person.below(12),
        1 + person.below(28), person.below(2) == 0 ? "F" : "M", 1 + person.below(30), 1 + person.below(20),
        person.one_of(kStreets), 100 + person.below(800), person.below(10'000));
  print(out, "0%u-%04u-%04u^PRN^PH|||%s||V%09u\r", 3 + person.below(6), person.below(10'000), person.below(10'000),
        person.below(2) == 0 ? "S" : "M", random.below(1'000'000'000));
  print(out, "NK1|1|%s^%s^^^^^L|SPO^SPOUSE^HL70063||0%u-%04u-%04u^PRN^PH\r", family, person.one_of(kGivens),
        3 + person.below(6), person.below(10'000), person.below(10'000));
  print(
      out,
      "PV1|1|I|%s^MAIN||||D%05u^%s^%s^^^DR|D%05u^%s^%s^^^DR||MED||||1|A0||D%05u^%s^%s^^^DR|IP|V%09u|||||||||||||||||||"
      "MAIN|||||%s\r",
      ward, random.below(900), random.one_of(kFamilies), random.one_of(kGivens), random.below(900),
      random.one_of(kFamilies), random.one_of(kGivens), random.below(900), random.one_of(kFamilies),
      random.one_of(kGivens), random.below(1'000'000'000), stamp.data());
  print(out, "AL1|1|DA|%u^%s^LOCAL|%s|RASH\r", 100 + person.below(40), person.one_of(kAllergens),
        person.below(2) == 0 ? "MO" : "SV");
  print(out, "DG1|1||I%02u.%u^%s^I10|||A\r", 10 + random.below(60), random.below(10), random.one_of(kDiagnoses));
  print(out, "OBX|1|NM|8867-4^HEART RATE^LN||%u|/min|60-100|N|||F|||%s\r", 50 + random.below(80), stamp.data());
  return out;
}

}  // namespace

Record test_message(std::uint64_t number) {
  Numbers random(~number);
  const auto at =
      from_micros(1'795'000'000'000'000 + static_cast<std::int64_t>(number) * 730'000 + random.below(700'000));
  return {.kind = RecordKind::kHl7Received,
          .time = at,
          .meta = R"({"listener":"adt","peer":"10.20.3.)" + std::to_string(4 + number % 5) +
                  R"(","identity":"his.main","sender":"HIS|MAIN HOSPITAL","ack":"AA","authoritative":true})",
          .body = message(number)};
}

}  // namespace minato
