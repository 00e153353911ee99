#include "record/patients.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "record/registry_log.h"
#include "store/index/derived.h"
#include "store/journal/record.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

using namespace std::chrono_literals;
using enum PatientOutcome;

const Time kStart = *from_rfc3339("2026-11-24T00:00:00Z");
Time at(int minutes) { return kStart + std::chrono::minutes(minutes); }
Identifier mrn(const std::string& value) { return {"H1", value}; }
PersonName named(const std::string& family, const std::string& given) { return {.family = family, .given = given}; }

std::unique_ptr<Sqlite> fresh_registry() {
  auto db = std::move(*Sqlite::open_writer(":memory:", {}));
  EXPECT_TRUE(db->execute(PatientWriter::schema().sql.c_str()));
  EXPECT_TRUE(db->execute(registry_log_schema().sql.c_str()));
  return db;
}

class PatientsTest : public testing::Test {
 protected:
  PatientsTest() : db_(fresh_registry()), writer_(*db_), registry_(*db_) {}

  static PatientEvent event(const char* code, const char* id, int minutes) {
    PatientEvent e;
    e.code = code;
    e.happened = at(minutes);
    e.received = at(minutes);
    e.identifiers = {mrn(id)};
    return e;
  }
  PatientApplied apply(const PatientEvent& e) {
    const auto applied = writer_.apply(e, Seq{++seq_});
    EXPECT_TRUE(applied.has_value()) << applied.error().what;
    return applied.value_or(PatientApplied{});
  }
  PatientApplied admit(const char* id, const char* family, int minutes) {
    auto e = event("A01", id, minutes);
    e.demographics.names = {{named(family, "T")}};
    e.demographics.birth_date = "19700101";
    e.visit = VisitClaim{.number = std::string("V") + id, .patient_class = "I", .location = "W1^1"};
    return apply(e);
  }
  PatientApplied merge(const char* survivor, const char* prior, int minutes) {
    auto e = event("A40", survivor, minutes);
    e.prior = {mrn(prior)};
    return apply(e);
  }
  PatientApplied visit_event(const char* code, const char* id, int minutes, const char* location = nullptr) {
    auto e = event(code, id, minutes);
    e.visit = VisitClaim{.number = std::string("V") + id};
    if (location != nullptr) e.visit->location = location;
    return apply(e);
  }
  // What the registry log says of a change; its `applied` decides.
  RegistryLogEntry change(const std::string& change_json, int minutes) {
    Entry entry{Seq{++seq_},
                {.kind = RecordKind::kRegistryChange,
                 .time = at(minutes),
                 .meta = R"({"what":"patients","by":"op","change":)" + change_json + "}",
                 .body = ""}};
    EXPECT_TRUE(writer_.apply(entry));
    return read_registry_log(*db_, {}, 1)->front();
  }
  PatientId resolve(const char* id) { return registry_.resolve(mrn(id))->value_or(PatientId{}); }
  Patient get(const char* id) { return *registry_.get(resolve(id)); }
  Visit visit(const char* id) { return get(id).visits.at(0); }
  std::string family(const char* id) {
    const auto names = *get(id).demographics.names;
    return names.empty() ? "" : names[0].family;
  }

  std::unique_ptr<Sqlite> db_;
  PatientWriter writer_;
  PatientRegistry registry_;
  std::uint64_t seq_ = 0;
};

std::string id_json(const char* value) { return R"({"domain":"H1","value":")" + std::string(value) + "\"}"; }

TEST_F(PatientsTest, AnAdmissionMakesAPatientWithAVisit) {
  const auto applied = admit("1", "Sato", 10);
  EXPECT_EQ(applied.outcome, kApplied);
  EXPECT_TRUE(applied.created);
  EXPECT_FALSE(admit("1", "Sato", 11).created);
  const auto patient = get("1");
  EXPECT_EQ(patient.identifiers, std::vector{mrn("1")});
  EXPECT_EQ(patient.demographics.birth_date, "19700101");
  ASSERT_EQ(patient.visits.size(), 1U);
  EXPECT_EQ(patient.visits[0].state, VisitState::kActive);
  EXPECT_EQ(patient.visits[0].admitted, at(10));
  EXPECT_EQ(patient.visits[0].location, "W1^1");
  EXPECT_EQ(registry_.resolve({"H2", "1"})->has_value(), false);
  EXPECT_EQ(*registry_.count(), 1U);
}

TEST_F(PatientsTest, EventsOlderThanWhatIsAppliedAreRecordedAndNotApplied) {
  admit("1", "New", 10);
  EXPECT_EQ(admit("1", "Old", 9).outcome, kStale);
  EXPECT_EQ(family("1"), "New");
  EXPECT_EQ(admit("1", "Same", 10).outcome, kApplied);
  EXPECT_EQ(family("1"), "Same");
  const auto history = *registry_.history(resolve("1"), {}, 10);
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[1].outcome, kStale);
  EXPECT_EQ(history[1].seq, Seq{2});
}

TEST_F(PatientsTest, ALateDischargeIsAppliedToItsVisitButItsDemographicsAreNot) {
  admit("1", "First", 10);
  auto update = event("A08", "1", 20);
  update.demographics.names = {{named("Second", "T")}};
  apply(update);
  auto discharge = event("A03", "1", 15);
  discharge.demographics.names = {{named("First", "T")}};
  discharge.visit = VisitClaim{.number = "V1"};
  EXPECT_EQ(apply(discharge).outcome, kApplied);
  EXPECT_EQ(family("1"), "Second");
  EXPECT_EQ(visit("1").state, VisitState::kDischarged);
  EXPECT_EQ(visit("1").discharged, at(15));
}

TEST_F(PatientsTest, AClockFarAheadDoesNotSilenceAFeedForEver) {
  auto ahead = event("A08", "1", 0);
  ahead.happened = at(60 * 24 * 3650);
  ahead.demographics.names = {{named("Ahead", "T")}};
  apply(ahead);
  auto later = event("A08", "1", 60 * 25);
  later.demographics.names = {{named("Later", "T")}};
  EXPECT_EQ(apply(later).outcome, kApplied);
  EXPECT_EQ(family("1"), "Later");
}

TEST_F(PatientsTest, WhatWasNotSaidIsKeptAndWhatIsNullIsForgotten) {
  auto first = event("A28", "1", 1);
  first.demographics = {.names = {{named("Sato", "T")}}, .birth_date = "19700101", .sex = "M", .phones = {{"1", "2"}}};
  apply(first);
  auto second = event("A31", "1", 2);
  second.demographics.sex = "F";
  second.demographics.phones = std::vector<std::string>();
  apply(second);
  const auto d = get("1").demographics;
  EXPECT_EQ(d.names->at(0).family, "Sato");
  EXPECT_EQ(d.birth_date, "19700101");
  EXPECT_EQ(d.sex, "F");
  EXPECT_TRUE(d.phones->empty());
}

TEST_F(PatientsTest, TransfersAndCancellationsUndoWhatTheyCancel) {
  admit("1", "Sato", 1);
  EXPECT_EQ(visit_event("A12", "1", 2).outcome, kNothingToCancel);
  visit_event("A02", "1", 3, "W2^5");
  EXPECT_EQ(visit("1").location, "W2^5");
  EXPECT_EQ(visit("1").prior_location, "W1^1");
  EXPECT_EQ(visit_event("A12", "1", 4, "W2^5").outcome, kApplied);
  EXPECT_EQ(visit("1").location, "W1^1");
  EXPECT_EQ(visit_event("A12", "1", 5).outcome, kNothingToCancel);
  EXPECT_EQ(visit_event("A13", "1", 6).outcome, kNothingToCancel);
  visit_event("A03", "1", 7);
  EXPECT_EQ(visit_event("A13", "1", 8).outcome, kApplied);
  EXPECT_EQ(visit("1").state, VisitState::kActive);
  EXPECT_FALSE(visit("1").discharged.has_value());
  EXPECT_EQ(visit_event("A11", "1", 9).outcome, kApplied);
  EXPECT_EQ(visit("1").state, VisitState::kCancelled);
  EXPECT_EQ(visit_event("A11", "1", 10).outcome, kNothingToCancel);
}

TEST_F(PatientsTest, ExpectedVisitsAreCancelledOrBegun) {
  visit_event("A05", "1", 1);
  EXPECT_EQ(visit("1").state, VisitState::kExpected);
  EXPECT_EQ(visit_event("A38", "1", 2).outcome, kApplied);
  EXPECT_EQ(visit("1").state, VisitState::kCancelled);
  visit_event("A14", "1", 3);
  visit_event("A01", "1", 4);
  EXPECT_EQ(visit("1").state, VisitState::kActive);
  EXPECT_EQ(visit_event("A27", "1", 5).outcome, kNothingToCancel);
}

TEST_F(PatientsTest, ClassChangesKeepTheVisit) {
  auto outpatient = event("A04", "1", 1);
  outpatient.visit = VisitClaim{.number = "V1", .patient_class = "O"};
  apply(outpatient);
  visit_event("A06", "1", 2);
  ASSERT_EQ(get("1").visits.size(), 1U);
  EXPECT_EQ(visit("1").patient_class, "I");
  EXPECT_EQ(visit("1").admitted, at(1));
}

TEST_F(PatientsTest, AMergedIdentifierLeadsToTheSurvivorThroughAnyNumberOfMerges) {
  admit("1", "A", 1);
  admit("2", "B", 2);
  admit("3", "C", 3);
  EXPECT_EQ(merge("2", "1", 4).outcome, kApplied);
  EXPECT_EQ(resolve("1"), resolve("2"));
  EXPECT_EQ(merge("3", "2", 5).outcome, kApplied);
  EXPECT_EQ(resolve("1"), resolve("3"));
  EXPECT_EQ(family("1"), "C");
  EXPECT_EQ(*registry_.count(), 1U);
  EXPECT_EQ(get("1").visits.size(), 3U);
  // A later event for a merged identifier changes the survivor.
  admit("1", "D", 6);
  EXPECT_EQ(family("3"), "D");
  EXPECT_EQ(registry_.history(resolve("3"), {}, 100)->size(), 8U);
}

TEST_F(PatientsTest, AMergeIntoAMergedPatientGoesToItsSurvivor) {
  for (const char* id : {"1", "2", "3"}) admit(id, id, 1);
  merge("2", "1", 2);
  EXPECT_EQ(merge("1", "3", 3).outcome, kApplied);
  EXPECT_EQ(resolve("3"), resolve("2"));
}

TEST_F(PatientsTest, CircularAndContradictingMergesAreRefusedAndRecorded) {
  for (const char* id : {"1", "2", "3"}) admit(id, id, 1);
  merge("2", "1", 2);
  const auto before = resolve("2");
  EXPECT_EQ(merge("2", "1", 3).outcome, kRepeated);
  EXPECT_EQ(merge("1", "2", 4).outcome, kCircularMerge);
  EXPECT_EQ(merge("3", "1", 5).outcome, kPriorMergedElsewhere);
  EXPECT_EQ(resolve("1"), before);
  EXPECT_NE(resolve("3"), before);
  EXPECT_EQ(merge("1", "1", 6).outcome, kRepeated);
  merge("3", "2", 7);
  EXPECT_EQ(merge("1", "3", 8).outcome, kCircularMerge);
  const auto history = *registry_.history(resolve("3"), {}, 100);
  EXPECT_EQ(std::ranges::count(history, kCircularMerge, &PatientHistoryEntry::outcome), 2);
}

TEST_F(PatientsTest, AMergeOfPatientsThatNobodyKnewMakesBoth) {
  EXPECT_EQ(merge("NEW", "OLD", 1).outcome, kApplied);
  EXPECT_NE(resolve("NEW").value, 0);
  EXPECT_EQ(resolve("OLD"), resolve("NEW"));
  EXPECT_EQ(*registry_.count(), 1U);
}

TEST_F(PatientsTest, TheOldIdentifierListedInPid3DoesNotDecideWhoSurvives) {
  admit("NEW", "New", 1);
  admit("OLD", "Old", 2);
  auto e = event("A40", "OLD", 3);
  e.identifiers = {mrn("OLD"), mrn("NEW")};
  e.prior = {mrn("OLD")};
  const auto survivor = resolve("NEW");
  EXPECT_EQ(apply(e).outcome, kApplied);
  EXPECT_EQ(resolve("OLD"), survivor);
}

TEST_F(PatientsTest, UnknownIdentifiersOnBothSidesOfAMergeMakeNoThirdPatient) {
  auto e = event("A40", "NEW", 1);
  e.identifiers = {mrn("NEW"), mrn("OLD")};
  e.prior = {mrn("OLD")};
  EXPECT_EQ(apply(e).outcome, kApplied);
  EXPECT_EQ(db_->query_integer("SELECT count(*) FROM patient")->value_or(0), 2);
  EXPECT_EQ(resolve("OLD"), resolve("NEW"));
}

TEST_F(PatientsTest, UnmergeGivesThePatientBackAndALateCopyOfTheMergeDoesNotTakeItAgain) {
  admit("1", "A", 1);
  admit("2", "B", 2);
  admit("3", "C", 2);
  merge("1", "3", 3);  // 3 came with 1 …
  merge("2", "1", 4);
  EXPECT_EQ(resolve("3"), resolve("2"));
  EXPECT_TRUE(change(R"({"op":"unmerge","patient":)" + id_json("1") + "}", 10).applied);
  EXPECT_NE(resolve("1"), resolve("2"));
  EXPECT_EQ(resolve("3"), resolve("1"));  // … and goes with it
  EXPECT_EQ(family("1"), "A");
  EXPECT_EQ(family("2"), "B");
  EXPECT_EQ(merge("2", "1", 4).outcome, kStale);
  EXPECT_NE(resolve("1"), resolve("2"));
  EXPECT_EQ(merge("2", "1", 11).outcome, kApplied);
  EXPECT_EQ(resolve("3"), resolve("2"));
  EXPECT_FALSE(change(R"({"op":"unmerge","patient":)" + id_json("2") + "}", 12).applied);
  EXPECT_FALSE(change(R"({"op":"unmerge","patient":)" + id_json("9") + "}", 13).applied);
}

TEST_F(PatientsTest, AVisitOfAMergedPatientGoesOnUnderTheSurvivor) {
  admit("1", "A", 1);
  admit("2", "B", 2);
  merge("2", "1", 3);
  auto discharge = event("A03", "2", 4);
  discharge.visit = VisitClaim{.number = "V1"};
  EXPECT_EQ(apply(discharge).outcome, kApplied);
  const auto visits = get("2").visits;
  ASSERT_EQ(visits.size(), 2U);
  EXPECT_EQ(std::ranges::count(visits, VisitState::kDischarged, &Visit::state), 1);
}

TEST_F(PatientsTest, LinksAreMadeAndEnded) {
  admit("1", "A", 1);
  admit("2", "B", 1);
  auto e = event("A24", "1", 2);
  e.prior = {mrn("2")};
  EXPECT_EQ(apply(e).outcome, kApplied);
  EXPECT_EQ(apply(e).outcome, kRepeated);
  EXPECT_EQ(get("2").linked, std::vector{resolve("1")});
  EXPECT_NE(resolve("1"), resolve("2"));
  e.code = "A37";
  EXPECT_EQ(apply(e).outcome, kApplied);
  EXPECT_EQ(apply(e).outcome, kNothingToCancel);
  EXPECT_TRUE(get("1").linked.empty());
}

TEST_F(PatientsTest, AChangedIdentifierLeadsToTheSamePatient) {
  admit("1", "A", 1);
  auto e = event("A47", "NEW", 2);
  e.prior = {mrn("1")};
  EXPECT_EQ(apply(e).outcome, kApplied);
  EXPECT_EQ(resolve("NEW"), resolve("1"));
  EXPECT_EQ(apply(e).outcome, kRepeated);
  admit("2", "B", 3);
  e.identifiers = {mrn("2")};
  EXPECT_EQ(apply(e).outcome, kIdentifierConflict);
  EXPECT_NE(resolve("2"), resolve("1"));
}

TEST_F(PatientsTest, IdentifiersOfTwoPatientsInOneEventNeverMoveAnIdentifier) {
  admit("1", "A", 1);
  admit("2", "B", 1);
  auto e = event("A08", "1", 2);
  e.identifiers.push_back(mrn("2"));
  e.identifiers.push_back({"NATIONAL", "N"});
  e.demographics.names = {{named("C", "T")}};
  EXPECT_EQ(apply(e).outcome, kIdentifierConflict);
  EXPECT_NE(resolve("1"), resolve("2"));
  EXPECT_EQ(family("1"), "C");
  EXPECT_EQ(family("2"), "B");
  EXPECT_EQ(**registry_.resolve({"NATIONAL", "N"}), resolve("1"));
}

TEST_F(PatientsTest, EventsThatChangeNothingAreRecordedToo) {
  admit("1", "A", 1);
  EXPECT_EQ(apply(event("A29", "1", 2)).outcome, kNotForRegistry);
  PatientEvent nobody = event("A01", "1", 3);
  nobody.identifiers.clear();
  EXPECT_EQ(apply(nobody).outcome, kNoIdentifier);
  EXPECT_EQ(merge("1", "", 4).outcome, kApplied) << "an empty value is the reader's business";
  PatientEvent no_prior = event("A40", "1", 5);
  EXPECT_EQ(apply(no_prior).outcome, kNoIdentifier);
  EXPECT_EQ(registry_.history(PatientId{0}, {}, 10)->size(), 2U);
}

TEST_F(PatientsTest, NotificationRefusalHoldsForASurvivorToo) {
  admit("1", "A", 1);
  admit("2", "B", 1);
  EXPECT_TRUE(change(R"({"op":"notifications","refused":true,"patient":)" + id_json("1") + "}", 2).applied);
  EXPECT_TRUE(get("1").notifications_refused);
  EXPECT_FALSE(get("2").notifications_refused);
  merge("2", "1", 3);
  EXPECT_TRUE(get("2").notifications_refused);
  EXPECT_TRUE(change(R"({"op":"notifications","refused":false,"patient":)" + id_json("2") + "}", 4).applied);
  EXPECT_FALSE(get("2").notifications_refused);
}

TEST_F(PatientsTest, OperatorsMergeLinkAndPut) {
  admit("1", "A", 1);
  admit("2", "B", 1);
  EXPECT_TRUE(change(R"({"op":"merge","survivor":)" + id_json("1") + R"(,"prior":)" + id_json("2") + "}", 2).applied);
  EXPECT_EQ(resolve("1"), resolve("2"));
  const auto circular = change(R"({"op":"merge","survivor":)" + id_json("2") + R"(,"prior":)" + id_json("1") + "}", 3);
  EXPECT_FALSE(circular.applied);
  EXPECT_EQ(circular.detail, "circular-merge");
  const auto unknown =
      change(R"({"op":"merge","survivor":)" + id_json("1") + R"(,"prior":)" + id_json("TYPO") + "}", 4);
  EXPECT_FALSE(unknown.applied);
  EXPECT_EQ(resolve("TYPO").value, 0);
  EXPECT_TRUE(
      change(R"({"op":"put","patient":{"domain":"H1","identifier":"7","family_name":"G","birth_date":"1980-02-03"}})",
             5)
          .applied);
  EXPECT_EQ(get("7").demographics.birth_date, "19800203");
  EXPECT_FALSE(change(R"({"op":"put","patient":{"domain":"H1","identifier":"8","sex":"X"}})", 6).applied);
  EXPECT_FALSE(change(R"({"op":"explode"})", 7).applied);
  EXPECT_FALSE(check_patient_change(R"({"op":"unmerge","patient":{"domain":"H1"}})"));
  EXPECT_TRUE(check_patient_change(R"({"op":"unmerge","patient":{"domain":"H1","value":"1"}})"));
}

TEST_F(PatientsTest, AnImportIsAllOrNothingAndNamesItsLines) {
  const std::string csv =
      "domain,identifier,other_identifiers,family_ideographic,given_ideographic,family_phonetic,given_phonetic,birth_"
      "date,sex,"
      "notifications,provider_id\r\n"
      "H1,1,N1@NATIONAL;N2@X,山本,太郎,ヤマモト,タロウ,1981-03-27,M,no,D7\r\n"
      "H1,2,,佐藤,花子,,,19900101,F,,\r\n";
  Entry entry{
      Seq{++seq_},
      {.kind = RecordKind::kRegistryImport, .time = at(5), .meta = R"({"what":"patients","by":"op"})", .body = csv}};
  ASSERT_TRUE(writer_.apply(entry));
  EXPECT_TRUE(read_registry_log(*db_, {}, 1)->front().applied);
  EXPECT_EQ(*registry_.count(), 2U);
  const auto patient = get("1");
  EXPECT_EQ(patient.identifiers.size(), 3U);
  EXPECT_EQ(patient.demographics.names->size(), 2U);
  EXPECT_TRUE(patient.notifications_refused);
  EXPECT_EQ(patient.primary_providers.at(0).id, "D7");
  entry.seq = Seq{++seq_};
  entry.record.body = csv + "H1,3,,,,,,1981-13-27,M,,\r\n,4,,,,,,,Q,maybe,\r\n";
  ASSERT_TRUE(writer_.apply(entry));
  const auto log = read_registry_log(*db_, {}, 1)->front();
  EXPECT_FALSE(log.applied);
  for (const char* part : {"line 4: birth_date", "line 5: domain", "line 5: sex", "line 5: notifications"}) {
    EXPECT_NE(log.detail.find(part), std::string::npos) << part << " in " << log.detail;
  }
  EXPECT_EQ(*registry_.count(), 2U);
}

TEST_F(PatientsTest, AnImportAsOfAnEarlierDayDoesNotOverrideTheFeed) {
  admit("1", "Feed", 100);
  Entry entry{Seq{++seq_},
              {.kind = RecordKind::kRegistryImport,
               .time = at(200),
               .meta = R"({"what":"patients","by":"op","as_of":"2026-11-24T00:00:00Z"})",
               .body = "domain,identifier,family_name\nH1,1,Import\nH1,2,Import\n"}};
  ASSERT_TRUE(writer_.apply(entry));
  EXPECT_EQ(family("1"), "Feed");
  EXPECT_EQ(family("2"), "Import");
}

TEST_F(PatientsTest, FindingByNameInAnyWritingAndByBirthDate) {
  auto e = event("A28", "1", 1);
  e.demographics.names = {{{.family = "山本", .given = "太郎", .representation = "I"},
                           {.family = "ヤマモト", .given = "タロウ", .representation = "P"},
                           {.family = "Yamamoto", .given = "Taro", .representation = "A"}}};
  e.demographics.birth_date = "19810327";
  e.demographics.sex = "M";
  apply(e);
  admit("2", "Yamamoto", 2);
  const std::vector<PatientId> one = {resolve("1")};
  EXPECT_EQ(*registry_.find({.name = "山本　太郎"}, 10), one);
  EXPECT_EQ(*registry_.find({.name = "やまもと"}, 10), one);
  EXPECT_EQ(*registry_.find({.name = "ﾔﾏﾓﾄ ﾀﾛｳ"}, 10), one);
  EXPECT_EQ(*registry_.find({.name = "Taro YAMAMOTO"}, 10), one);
  EXPECT_EQ(registry_.find({.name = "yamamoto"}, 10)->size(), 2U);
  EXPECT_EQ(registry_.find({.name = "yamamoto"}, 1)->size(), 1U);
  EXPECT_EQ(*registry_.find({.birth_date = "19810327"}, 10), one);
  EXPECT_EQ(registry_.find({.name = "yamamoto", .birth_date = "19810327", .sex = "F"}, 10)->size(), 0U);
  EXPECT_EQ(registry_.find({.sex = "F"}, 10).error().code, Errc::kRefused);
  EXPECT_EQ(*registry_.find_by_value("1", 10), one);
  auto renamed = event("A31", "1", 3);
  renamed.demographics.names = {{named("Suzuki", "Taro")}};
  apply(renamed);
  EXPECT_TRUE(registry_.find({.name = "山本"}, 10)->empty());
  EXPECT_EQ(*registry_.find({.name = "suzuki"}, 10), one);
  merge("2", "1", 4);
  EXPECT_EQ(*registry_.find({.name = "suzuki"}, 10), std::vector{resolve("2")});
}

class VerifyTest : public PatientsTest {
 protected:
  VerifyTest() {
    auto e = event("A28", "1", 1);
    e.demographics = {.names = {{{.family = "山本", .given = "太郎", .representation = "I"},
                                 {.family = "ヤマモト", .given = "タロウ", .representation = "P"}}},
                      .birth_date = "19810327",
                      .sex = "M"};
    apply(e);
    claim_ = {.identifiers = {mrn("1")},
              .names = {{.family = "山本", .given = "太郎"}},
              .birth_date = "19810327",
              .sex = "M"};
  }
  PatientMatch match() { return verify().match; }
  PatientVerification verify() { return *registry_.verify(claim_); }
  PatientClaim claim_;
};

TEST_F(VerifyTest, TheSamePatientMatchesInAnyOfItsWritings) {
  EXPECT_EQ(match(), PatientMatch::kMatch);
  EXPECT_EQ(verify().patient, resolve("1"));
  claim_.names = {{.family = "ﾔﾏﾓﾄ", .given = "ﾀﾛｳ"}};
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.names = {{.family = "Yamamoto", .given = "Taro"}, {.family = "やまもと", .given = "たろう"}};
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.names = {{.family = "山本　太郎"}};
  EXPECT_EQ(match(), PatientMatch::kMatch);
}

TEST_F(VerifyTest, EachContradictionIsNamedAndNothingElse) {
  claim_.names = {{.family = "佐藤", .given = "太郎"}};
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
  EXPECT_EQ(verify().fields, std::vector<std::string>{"PID-5"});
  claim_.names = {{.family = "山本", .given = "花子"}};
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
  claim_.birth_date = "19810328";
  claim_.sex = "F";
  EXPECT_EQ(verify().fields, (std::vector<std::string>{"PID-5", "PID-7", "PID-8"}));
}

TEST_F(VerifyTest, WhatIsMissingIsNotComparedButSomethingMustBe) {
  claim_.birth_date = "";
  claim_.sex = "";
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.names.clear();
  EXPECT_EQ(match(), PatientMatch::kDemographicsMissing);
  claim_.sex = "M";
  EXPECT_EQ(match(), PatientMatch::kDemographicsMissing);
  claim_.birth_date = "1981";
  EXPECT_EQ(match(), PatientMatch::kDemographicsMissing);
  claim_.names = {{.family = "山本"}};
  EXPECT_EQ(match(), PatientMatch::kDemographicsMissing);
  claim_.birth_date = "19810327";
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.names = {{.family = "佐藤"}};
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
  claim_.names.clear();
  claim_.birth_date = "1982";
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
}

TEST_F(VerifyTest, UnknownSexContradictsNothing) {
  claim_.sex = "U";
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.sex = "O";
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
}

TEST_F(VerifyTest, IdentifiersMustBeKnownAndAgree) {
  claim_.identifiers = {mrn("9")};
  EXPECT_EQ(match(), PatientMatch::kUnknownIdentifier);
  claim_.identifiers = {mrn("9"), mrn("1")};
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.identifiers = {{"OTHER", "1"}};
  EXPECT_EQ(match(), PatientMatch::kUnknownIdentifier);
  admit("2", "山本", 5);
  claim_.identifiers = {mrn("1"), mrn("2")};
  EXPECT_EQ(match(), PatientMatch::kIdentifiersDiffer);
  claim_.identifiers.clear();
  EXPECT_EQ(match(), PatientMatch::kNoIdentifier);
}

TEST_F(VerifyTest, AMergedAwayIdentifierIsHeldAgainstTheSurvivor) {
  admit("OLD", "旧姓", 2);
  merge("1", "OLD", 3);
  claim_.identifiers = {mrn("OLD"), mrn("1")};
  EXPECT_EQ(match(), PatientMatch::kMatch);
  claim_.names = {{.family = "旧姓", .given = "T"}};
  EXPECT_EQ(match(), PatientMatch::kDemographicsDiffer);
}

// Two feeds announce one new patient and go on; whatever the order in which the journal took their messages, there is
// one.
TEST(Patients, TwoFeedsInAnyInterleavingMakeOnePatient) {
  const auto make = [](const char* source, const char* code, int minutes) {
    PatientEvent e;
    e.code = code;
    e.source = source;
    e.happened = at(minutes);
    e.received = at(10);
    e.identifiers = {mrn("1"), {"NATIONAL", "N1"}};
    e.demographics.names = {{named("Sato", source)}};
    e.visit = VisitClaim{.number = "V1"};
    return e;
  };
  const std::vector<PatientEvent> first = {make("a", "A04", 1), make("a", "A08", 2), make("a", "A08", 3),
                                           make("a", "A03", 4)};
  const std::vector<PatientEvent> second = {make("b", "A28", 1), make("b", "A01", 2), make("b", "A08", 3),
                                            make("b", "A08", 5)};
  std::string order = "aaaabbbb";
  int orders = 0;
  do {
    const auto db = fresh_registry();
    std::size_t a = 0, b = 0;
    std::uint64_t seq = 0;
    for (const char feed : order) {
      ASSERT_TRUE(PatientWriter(*db).apply(feed == 'a' ? first[a++] : second[b++], Seq{++seq}).has_value());
    }
    ASSERT_EQ(db->query_integer("SELECT count(*) FROM patient")->value_or(0), 1) << order;
    const auto patient = *PatientRegistry(*db).get(PatientId{1});
    ASSERT_EQ(patient.identifiers.size(), 2U) << order;
    ASSERT_EQ(patient.visits.size(), 1U) << order;
    ASSERT_EQ(patient.demographics.names->at(0).given, "b") << order << ": the newest event decides";
    ++orders;
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(orders, 70);
}

std::string dump(Sqlite& db) {
  std::string text;
  for (const char* table : {"patient", "patient_identifier", "patient_domain", "patient_term", "patient_visit",
                            "patient_link", "patient_history", "registry_log"}) {
    auto columns = *db.query("SELECT group_concat('quote(' || name || ')', '||''|''||') FROM pragma_table_info('" +
                             std::string(table) + "')");
    (void)columns.step();
    auto all = *db.query("SELECT " + std::string(columns.text(0)) + " FROM " + table + " ORDER BY 1");
    text += std::string(table) + "\n";
    while (*all.step()) text += std::string(all.text(0)) + "\n";
  }
  return text;
}

// A registry of vectors and linear searches, written from the rules in the header alone.
struct ModelPatient {
  int merged_into = -1;
  int clock = -1000000, merges_clock = -1000000;
  std::string name;
};
class Model {
 public:
  int owner(const std::string& id) const {
    const auto found = owner_.find(id);
    return found == owner_.end() ? -1 : found->second;
  }
  int end(int p) const {
    while (p >= 0 && patients_[static_cast<std::size_t>(p)].merged_into >= 0) {
      p = patients_[static_cast<std::size_t>(p)].merged_into;
    }
    return p;
  }
  bool passes(int from, int through) const {
    for (int p = patients_[static_cast<std::size_t>(from)].merged_into; p >= 0;
         p = patients_[static_cast<std::size_t>(p)].merged_into) {
      if (p == through) return true;
    }
    return false;
  }
  int make(const std::string& id) {
    patients_.emplace_back();
    return owner_[id] = static_cast<int>(patients_.size()) - 1;
  }
  ModelPatient& at(int p) { return patients_[static_cast<std::size_t>(p)]; }

  PatientOutcome update(const std::string& id, int time, const std::string& name) {
    if (owner(id) < 0) make(id);
    auto& patient = at(end(owner(id)));
    if (time < patient.clock) return kStale;
    patient.clock = time;
    patient.name = name;
    return kApplied;
  }
  PatientOutcome merge(const std::string& survivor, const std::string& prior, int time) {
    const int s = owner(survivor), p = owner(prior);
    if (p >= 0) {
      if (end(s) == end(p)) {
        if (passes(s, p)) return kCircularMerge;
        touch(end(s), time);
        return kRepeated;
      }
      if (end(p) != p) return kPriorMergedElsewhere;
      if (time < at(p).merges_clock) return kStale;
    }
    const int into = end(s >= 0 ? s : make(survivor));
    if (survivor == prior) {
      return kRepeated;
    }
    const int merged = p >= 0 ? p : make(prior);
    at(merged).merged_into = s >= 0 ? s : into;
    at(merged).merges_clock = time;
    touch(into, time);
    return kApplied;
  }
  bool unmerge(const std::string& id, int time) {
    const int p = owner(id);
    if (p < 0 || at(p).merged_into < 0) return false;
    at(p).merged_into = -1;
    at(p).merges_clock = time;
    return true;
  }
  std::size_t size() const { return patients_.size(); }

 private:
  void touch(int p, int time) {
    if (time >= at(p).clock) at(p).clock = time;
  }
  std::vector<ModelPatient> patients_;
  std::map<std::string, int> owner_;
};

TEST(Patients, AnyHistoryAgreesWithANaiveModelAndReplaysToTheSameTables) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t n) { return random() % n; };
    const auto db = fresh_registry();
    const auto again = fresh_registry();
    PatientWriter writer(*db), second(*again);
    Model model;
    for (int step = 1; step <= 120; ++step) {
      const std::string a = std::to_string(below(9)), b = std::to_string(below(9));
      const int time = step + static_cast<int>(below(12)) - 8;
      PatientEvent e;
      e.happened = at(time);
      e.received = at(step);
      e.identifiers = {mrn(a)};
      const Seq seq{static_cast<std::uint64_t>(step)};
      const auto kind = below(10);
      if (kind < 5) {
        e.code = "A08";
        e.demographics.names = {{named("N" + std::to_string(step), "G")}};
        const auto applied = *writer.apply(e, seq);
        ASSERT_EQ(applied.outcome, model.update(a, time, "N" + std::to_string(step))) << seed << "/" << step;
      } else if (kind < 9) {
        e.code = below(2) == 0 ? "A40" : "A34";
        e.prior = {mrn(b)};
        const auto applied = *writer.apply(e, seq);
        ASSERT_EQ(applied.outcome, model.merge(a, b, time)) << seed << "/" << step << " " << a << " <- " << b;
      }
      if (kind < 9) {
        ASSERT_TRUE(second.apply(e, seq).has_value());
      } else {
        const Entry entry{
            seq,
            {.kind = RecordKind::kRegistryChange,
             .time = at(step),
             .meta = R"({"what":"patients","by":"op","change":{"op":"unmerge","patient":)" + id_json(a.c_str()) + "}}",
             .body = ""}};
        ASSERT_TRUE(writer.apply(entry));
        ASSERT_EQ(read_registry_log(*db, {}, 1)->front().applied, model.unmerge(a, step)) << seed << "/" << step;
        ASSERT_TRUE(second.apply(entry));
      }
      for (int i = 0; i < 9; ++i) {
        const std::string id = std::to_string(i);
        const int expected = model.end(model.owner(id));
        const auto found = *PatientRegistry(*db).resolve(mrn(id));
        ASSERT_EQ(found ? found->value - 1 : -1, expected) << seed << "/" << step << " id " << id;
        if (!found) continue;
        const auto names = *PatientRegistry(*db).get(*found)->demographics.names;
        ASSERT_EQ(names.empty() ? "" : names[0].family, model.at(expected).name) << seed << "/" << step;
      }
    }
    ASSERT_EQ(db->query_integer("SELECT count(*) FROM patient")->value_or(0), static_cast<std::int64_t>(model.size()));
    ASSERT_EQ(dump(*db), dump(*again)) << seed;
  }
}

// The registry after a purge and a loss of the database is the one that was there before.
TEST(Patients, ARegistryTakenOverFromAPurgeGoesOnAsIfNothingHadBeenLost) {
  char made[] = "/tmp/patients_test.XXXXXX";
  const std::string directory = ::mkdtemp(made);
  DerivedDatabase::Options options;
  options.path = directory + "/derived.db";
  options.kept_path = directory + "/kept.db";
  options.projections = {PatientWriter::schema(), registry_log_schema()};
  options.journal_last = Seq{200};
  const auto apply = [](DerivedDatabase& derived, std::uint64_t from, std::uint64_t to) {
    ASSERT_TRUE(derived.begin());
    for (std::uint64_t seq = from; seq <= to; ++seq) {
      if (Seq{seq} <= derived.kept_until()) continue;
      PatientEvent e;
      e.code = seq % 7 == 0 ? "A40" : "A01";
      e.happened = e.received = at(static_cast<int>(seq));
      e.identifiers = {mrn(std::to_string(seq * 31 % 17))};
      e.prior = {mrn(std::to_string(seq * 13 % 17))};
      e.demographics.names = {{named("N" + std::to_string(seq), "G")}};
      e.visit = VisitClaim{.number = "V" + std::to_string(seq % 5)};
      ASSERT_TRUE(PatientWriter(derived.writer()).apply(e, Seq{seq}).has_value());
    }
    ASSERT_TRUE(derived.commit(Seq{to}));
  };
  std::string before;
  {
    const auto derived = std::move(*DerivedDatabase::open(options));
    apply(*derived, 1, 120);
    ASSERT_TRUE(derived->keep());
    apply(*derived, 121, 200);
    before = dump(derived->writer());
  }
  ASSERT_TRUE(Sqlite::remove_file(options.path));
  options.journal_first = Seq{101};  // 101 to 120 are still there, and are in the kept tables too
  const auto derived = std::move(*DerivedDatabase::open(options));
  apply(*derived, 101, 200);
  EXPECT_EQ(dump(derived->writer()), before);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace minato
