// How fast HL7 v2 messages are parsed with every field visited, and their headers read.
// links: minato_hl7
//
//   cmake --build --preset release --target hl7_parse_bench && build/release/bin/hl7_parse_bench
//
// Yardstick: memchr for each CR over the same bytes in the same run. "ratio" is our rate over that of the yardstick.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "format/charset/charset.h"
#include "format/hl7/header.h"
#include "format/hl7/message.h"
#include "format/hl7/mllp_framer.h"

namespace {

using namespace minato;
using Clock = std::chrono::steady_clock;

constexpr auto kRunFor = std::chrono::milliseconds(700);

// An admission of about 770 bytes, as in the comparisons of other engines.
std::string admission(std::string_view name, charset::Encoding encoding) {
  const std::string text =
      "MSH|^~\\&|HIS|WARD7|MINATO|HOSP|20261124140607.123+0900||ADT^A01^ADT_A01|20261124140607000001|P|2.5||||||" +
      std::string(charset::msh18(encoding)) + "\rEVN|A01|20261124140607|||OPER01^" + std::string(name) +
      "\rPID|1||0001234567^^^HOSP^PI~9912345678^^^CITY&1.2.392.200119.6.1&ISO^NI||" + std::string(name) +
      "^^^^^L^I~YAMAMOTO^KYOKO^^^^^L^P||19650415|F|||1-2-3 Minato^^Tokyo^^105-0003^JPN^H||^PRN^PH^^^^^^^^^03-5999-9999|"
      "^WPN^PH^^^^^^^^^03-3599-9993||M||||||||||||||||||20261124\r"
      "NK1|1|" +
      std::string(name) +
      "|SPO^spouse^HL70063|1-2-3 Minato^^Tokyo^^105-0003^JPN^H|^PRN^PH^^^^^^^^^03-5999-9999\r"
      "PV1|1|I|W7^701^1^HOSP^^^^^7|R|||D001^Smith^John^^^Dr^^^HOSP|||MED||||1|||D001^Smith^John|IP|V0001^^^HOSP^VN|||||"
      "||||||||||||||||||||"
      "20261124133000\rAL1|1|DA^drug^HL70127|P01^Penicillin^L|SV|rash|20200101\rDG1|1||E11^Type 2 diabetes^I10|||A\r";
  return charset::encode(encoding, text).value();
}

std::string report(std::size_t observations) {
  std::string out =
      "MSH|^~\\&|LAB|L1|MINATO|HOSP|20261124140607||ORU^R01^ORU_R01|7|P|2.5.1||||||UNICODE "
      "UTF-8\rPID|1||42^^^H||A^B\rOBR|1|||P^panel\r";
  for (std::size_t i = 1; i <= observations; ++i) {
    out +=
        "OBX|" + std::to_string(i) +
        "|NM|718-7^Hemoglobin^LN^^^99||13.5|g/dL^gram per decilitre^UCUM|12.0-16.0|N|||F|||20261124130000||T1^Tech\r";
  }
  return out;
}

// Visits every field: its bytes' place and length are read.
std::size_t visit_fields(const hl7::Message& message) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < message.segment_count(); ++i) {
    const hl7::Segment segment = message.segment_at(i);
    for (std::size_t n = segment.field_count(); n > 0; --n) sum += segment.field(n).raw().size();
  }
  return sum;
}

// Decodes every field as a text.
std::size_t decode_fields(const hl7::Message& message) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < message.segment_count(); ++i) {
    const hl7::Segment segment = message.segment_at(i);
    for (std::size_t n = segment.field_count(); n > 0; --n) sum += segment.field(n).text().size();
  }
  return sum;
}

// Decodes every component of every field.
std::size_t visit_texts(const hl7::Message& message) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < message.segment_count(); ++i) {
    const hl7::Segment segment = message.segment_at(i);
    for (std::size_t n = segment.field_count(); n > 0; --n) {
      for (const hl7::Repetition& repetition : segment.field(n).repetitions()) {
        for (const hl7::Component& component : repetition.components()) sum += component.text().size();
      }
    }
  }
  return sum;
}

std::size_t parse_and(std::string_view bytes, std::size_t (*visit)(const hl7::Message&)) {
  const auto message = hl7::Message::view(bytes);
  return message ? visit(*message) : 0;
}

std::size_t memchr_scan(std::string_view bytes) {
  std::size_t count = 0;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at < end &&
         (at = static_cast<const char*>(std::memchr(at, '\r', static_cast<std::size_t>(end - at)))) != nullptr) {
    ++at;
    ++count;
  }
  return count;
}

std::size_t frame(std::string_view bytes) {
  static const std::string framed = mllp::encode_frame(bytes);
  mllp::Framer framer;
  std::vector<mllp::Event> events;
  framer.feed(framed, events);
  return events.size();
}

volatile std::size_t sink = 0;

struct Rate {
  double megabytes_per_s;
  double microseconds;
};

template <typename Work>
Rate measure(std::string_view bytes, Work work) {
  std::size_t rounds = 0;
  std::size_t sum = 0;
  const auto begin = Clock::now();
  auto now = begin;
  do {
    for (int i = 0; i < 16; ++i) sum += work(bytes);
    rounds += 16;
    now = Clock::now();
  } while (now - begin < kRunFor);
  sink = sink + sum;
  const double seconds = std::chrono::duration<double>(now - begin).count();
  return {static_cast<double>(rounds * bytes.size()) / seconds / 1e6, seconds / static_cast<double>(rounds) * 1e6};
}

void show(const char* what, const char* input, Rate rate, Rate yardstick) {
  std::printf("%-34s %-22s %8.0f MB/s %10.3f us  ratio %.3f\n", what, input, rate.megabytes_per_s, rate.microseconds,
              rate.megabytes_per_s / yardstick.megabytes_per_s);
}

void run(const char* input, const std::string& bytes) {
  const Rate yardstick = measure(bytes, memchr_scan);
  show("memchr for CR (yardstick)", input, yardstick, yardstick);
  show("peek_header", input, measure(bytes, [](std::string_view b) { return hl7::peek_header(b)->end; }), yardstick);
  show("parse", input, measure(bytes, [](std::string_view b) { return hl7::Message::view(b)->field_count(); }),
       yardstick);
  show("parse, every field visited", input,
       measure(bytes, [](std::string_view b) { return parse_and(b, visit_fields); }), yardstick);
  show("parse, every field decoded", input,
       measure(bytes, [](std::string_view b) { return parse_and(b, decode_fields); }), yardstick);
  show("parse, every component decoded", input,
       measure(bytes, [](std::string_view b) { return parse_and(b, visit_texts); }), yardstick);
  std::printf("\n");
}

}  // namespace

int main() {
  const std::string plain = admission("Yamamoto^Kyoko", charset::Encoding::kUtf8);
  std::printf("ADT^A01: %zu bytes\n\n", plain.size());
  run("ADT ASCII", plain);
  run("ADT UTF-8", admission("山本^京子", charset::Encoding::kUtf8));
  run("ADT ISO-2022-JP", admission("山本^京子", charset::Encoding::kIso2022Jp));
  run("ADT Shift_JIS", admission("山本^京子", charset::Encoding::kShiftJis));
  run("ORU 202 segments", report(199));
  run("ORU 8 MB OBX-5", report(1) + "OBX|2|ED|PDF||^AP^^Base64^" + std::string(8'000'000, 'A') + "||||||F\r");
  show("framing", "ADT ASCII", measure(plain, frame), measure(plain, memchr_scan));
  return 0;
}
