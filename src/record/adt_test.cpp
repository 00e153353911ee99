#include "record/adt.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "record/patient_events.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

const Time kReceived = *from_rfc3339("2026-11-24T00:00:00Z");

FeedRules rules() {
  return {.source = "adt", .default_domain = "H1", .domain_aliases = {{"OLDNAME", "H1"}}, .utc_offset_minutes = 0};
}

hl7::Message parse(std::string text) {
  std::ranges::replace(text, '\n', '\r');
  auto message = hl7::Message::parse(std::move(text));
  EXPECT_TRUE(message.has_value());
  return std::move(*message);
}

std::string header(const char* type) {
  return std::string("MSH|^~\\&|HIS|H|M|M|20261124100000||") + type +
         "|1|P|2.5||||||UNICODE UTF-8\nEVN||20261124095900\n";
}

TEST(Adt, AnAdmissionIsReadWhole) {
  const auto message = parse(header("ADT^A01") +
                             "PID|1||123^^^^MR~99^^^NAT&1.2.392&ISO^NI~777^^^^SS~5^^^OLDNAME||山本^太郎^^^^^L^I~"
                             "ヤマモト^タロウ^^^^^L^P~\"\"||19810327101500|m"
                             "|Yama||1 Street^^Tokyo^^100-0001^JP||03-1234~^PRN^Internet^a@b.example|||||ACC1\n"
                             "PD1||||D7^森^遥^^^^^^H1~mori@clinic.example^Mori\n"
                             "PV1|1|I|W1^101^2^H||||D8^Sato^Ken|D9^Ref|D10^Con||||||||D11^Adm||V55^^^H|||||||||||||||||"
                             "||||||||20261124095500\n"
                             "ROL|1|AD|PP^Primary|D12^Role||||||||^NET^Internet^role@x.example\n");
  const auto events = read_patient_events(message, rules(), kReceived);
  ASSERT_EQ(events.size(), 1U);
  const auto& e = events[0];
  EXPECT_EQ(e.code, "A01");
  EXPECT_EQ(e.happened, *from_rfc3339("2026-11-24T09:59:00Z"));
  EXPECT_EQ(e.received, kReceived);
  EXPECT_EQ(e.source, "adt");
  EXPECT_EQ(e.identifiers, (std::vector<Identifier>{{"H1", "123"}, {"1.2.392", "99"}, {"H1:SS", "777"}, {"H1", "5"}}));
  ASSERT_EQ(e.demographics.names->size(), 3U);
  EXPECT_EQ(e.demographics.names->at(0),
            (PersonName{.family = "山本", .given = "太郎", .representation = "I", .type = "L"}));
  EXPECT_EQ(e.demographics.names->at(2), (PersonName{.family = "Yama", .type = "A"}));
  EXPECT_EQ(e.demographics.birth_date, "19810327");
  EXPECT_EQ(e.demographics.sex, "M");
  EXPECT_EQ(*e.demographics.addresses, std::vector<std::string>{"1 Street, Tokyo, 100-0001, JP"});
  EXPECT_EQ(*e.demographics.phones, (std::vector<std::string>{"03-1234", "a@b.example"}));
  ASSERT_TRUE(e.visit.has_value());
  EXPECT_EQ(e.visit->number, "V55");
  EXPECT_EQ(e.visit->patient_class, "I");
  EXPECT_EQ(e.visit->location, "W1^101^2^H");
  EXPECT_EQ(e.visit->attending->at(0).id, "D8");
  EXPECT_EQ(e.visit->admitted, *from_rfc3339("2026-11-24T09:55:00Z"));
  ASSERT_EQ(e.primary_providers->size(), 3U);
  EXPECT_EQ(e.primary_providers->at(0).system, "H1");
  EXPECT_EQ(e.primary_providers->at(1).mail, "mori@clinic.example");
  EXPECT_EQ(e.primary_providers->at(2).mail, "role@x.example");
  const auto claims = read_provider_claims(message, rules());
  std::vector<std::string> ids;
  for (const auto& claim : claims) ids.push_back(claim.field + "=" + claim.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"PD1-4=D7", "PD1-4=mori@clinic.example", "PV1-7=D8", "PV1-8=D9", "PV1-9=D10",
                                           "PV1-17=D11", "ROL-4=D12"}));
  const auto found = read_message_ids(message);
  EXPECT_EQ(found.patient_ids, (std::vector<std::string>{"123", "99", "777", "5"}));
  EXPECT_EQ(found.encounter_ids, (std::vector<std::string>{"ACC1", "V55"}));
}

TEST(Adt, AbsentIsNotSaidAndNullIsSaidToBeNone) {
  const auto e =
      read_patient_events(parse(header("ADT^A08") + "PID|1||1||A^B||\"\"||||||\"\"\n"), rules(), kReceived).at(0);
  EXPECT_EQ(e.demographics.birth_date, "");
  EXPECT_TRUE(e.demographics.phones->empty());
  EXPECT_FALSE(e.demographics.sex.has_value());
  EXPECT_FALSE(e.demographics.addresses.has_value());
  EXPECT_FALSE(e.visit.has_value());
  EXPECT_FALSE(e.primary_providers.has_value());
  const auto nulls =
      read_patient_events(parse(header("ADT^A08") + "PID|1||1\nPD1||||\"\"\n"), rules(), kReceived).at(0);
  EXPECT_TRUE(nulls.primary_providers->empty());
  EXPECT_FALSE(nulls.demographics.names.has_value());
}

TEST(Adt, EachMergePairIsAnEventOfItsOwn) {
  const auto message = parse(header("ADT^A40") +
                             "PID|1||N1\nPD1|\nMRG|O1\n"
                             "PID|2||N2\nMRG|O2~O3^^^X\n"
                             "PID|3||N3\n");
  const auto events = read_patient_events(message, rules(), kReceived);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].identifiers.at(0).value, "N1");
  EXPECT_EQ(events[0].prior.at(0).value, "O1");
  EXPECT_EQ(events[1].identifiers.at(0).value, "N2");
  EXPECT_EQ(events[1].prior, (std::vector<Identifier>{{"H1", "O2"}, {"X", "O3"}}));
  EXPECT_TRUE(events[2].prior.empty());
  EXPECT_EQ(read_message_ids(message).patient_ids, (std::vector<std::string>{"N1", "N2", "N3", "O1", "O2", "O3"}));
}

TEST(Adt, ALinkNamesTwoPatients) {
  const auto e = read_patient_events(parse(header("ADT^A24") + "PID|1||A\nPV1|\nPID|2||B\n"), rules(), kReceived).at(0);
  EXPECT_EQ(e.identifiers.at(0).value, "A");
  EXPECT_EQ(e.prior.at(0).value, "B");
}

TEST(Adt, TimesFallBackFromEventToMessageToReceipt) {
  const char* pid = "PID|1||1\n";
  const std::string msh = "MSH|^~\\&|H|H|M|M|20261124100000+0900||ADT^A08|1|P|2.5\n";
  EXPECT_EQ(read_patient_events(parse(msh + pid), rules(), kReceived).at(0).happened,
            *from_rfc3339("2026-11-24T01:00:00Z"));
  EXPECT_EQ(read_patient_events(parse(msh + "EVN||rubbish\n" + pid), rules(), kReceived).at(0).happened,
            *from_rfc3339("2026-11-24T01:00:00Z"));
  EXPECT_EQ(read_patient_events(parse("MSH|^~\\&|H|H|M|M|||ADT^A08|1|P|2.5\n" + std::string(pid)), rules(), kReceived)
                .at(0)
                .happened,
            kReceived);
}

TEST(Adt, OldVersionsWithTheIdentifierInPid2AndTheEventInEvn) {
  const auto e =
      read_patient_events(parse("MSH|^~\\&|H|H|M|M|||ADT|1|P|2.1\nEVN|A04\nPID|1|55|\n"), rules(), kReceived).at(0);
  EXPECT_EQ(e.code, "A04");
  EXPECT_EQ(e.identifiers, (std::vector<Identifier>{{"H1", "55"}}));
}

TEST(Adt, OtherMessagesMakeNoEventsButClaims) {
  const auto message =
      parse(header("ORU^R01") + "PID|1||7||Sato^Ken||19700101|F\nORC|RE|P1|F1\nOBR|1|P1|F2|||||||||||||||ACCN\n");
  EXPECT_TRUE(read_patient_events(message, rules(), kReceived).empty());
  const auto claim = read_patient_claim(message, rules());
  EXPECT_EQ(claim.identifiers, (std::vector<Identifier>{{"H1", "7"}}));
  EXPECT_EQ(claim.birth_date, "19700101");
  EXPECT_EQ(claim.sex, "F");
  EXPECT_EQ(read_message_ids(message).order_ids, (std::vector<std::string>{"P1", "F1", "F2", "ACCN"}));
  EXPECT_TRUE(read_patient_events(parse(header("ADT^A01")), rules(), kReceived).empty());
  EXPECT_TRUE(read_patient_claim(parse(header("ADT^A01")), rules()).identifiers.empty());
}

TEST(Adt, EventsOfTwoPatientsAreKnown) {
  for (const char* code : {"A40", "A34", "A24", "A37", "A47"}) EXPECT_TRUE(concerns_two_patients(code)) << code;
  for (const char* code : {"A01", "A08", "A31", "R01", ""}) EXPECT_FALSE(concerns_two_patients(code)) << code;
}

// Every message of the public corpora goes through, and the registry takes what they say.
TEST(Adt, EveryCorpusMessageIsReadAndApplied) {
  const char* source = std::getenv("MINATO_SOURCE_DIR");
  const std::string data = (source == nullptr ? std::string(".") : std::string(source)) + "/../shared/data/hl7v2";
  std::error_code error;
  if (!std::filesystem::is_directory(data, error)) GTEST_SKIP() << "no ../shared/data beside the repository";
  const auto db = std::move(*Sqlite::open_writer(":memory:", {}));
  ASSERT_TRUE(db->execute(PatientWriter::schema().sql.c_str()));
  std::uint64_t seq = 0, applied = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(data)) {
    if (!file.is_regular_file() || file.file_size() > (4U << 20)) continue;
    std::stringstream bytes;
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    const auto message = hl7::Message::parse(bytes.str());
    if (!message) continue;
    (void)read_message_ids(*message);
    (void)read_provider_claims(*message, rules());
    const auto claim = read_patient_claim(*message, rules());
    for (const auto& event : read_patient_events(*message, rules(), kReceived)) {
      const auto outcome = PatientWriter(*db).apply(event, Seq{++seq});
      ASSERT_TRUE(outcome.has_value()) << file.path() << ": " << outcome.error().what;
      applied += outcome->outcome == PatientOutcome::kApplied ? 1 : 0;
    }
    ASSERT_TRUE(PatientRegistry(*db).verify(claim).has_value());
  }
  EXPECT_GT(seq, 50U);
  EXPECT_GT(applied, 30U);
}

}  // namespace
}  // namespace minato
