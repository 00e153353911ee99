#include "flow/receive.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/log.h"
#include "flow/receive_listener.h"
#include "flow/receive_test_journal.h"
#include "format/json/json.h"

namespace minato {
namespace {

using Link = AnswerSink::Link;

class FixedClock final : public Clock {
 public:
  Time now() const override { return time; }
  Deadline::duration steady() const override { return {}; }
  Time time = from_micros(1'790'000'000'123'456);
};

class Answered final : public AnswerSink {
 public:
  void answered(std::vector<Answer> batch) override {
    ++calls;
    for (Answer& answer : batch) {
      const bool first = by_ticket.emplace(answer.ticket, answer).second;
      EXPECT_TRUE(first) << "ticket " << answer.ticket << " was answered twice";
      order.push_back(answer.ticket);
    }
  }
  std::map<std::uint64_t, Answer> by_ticket;
  std::vector<std::uint64_t> order;
  int calls = 0;
};

std::string adt(std::string_view control_id, std::string_view rest = "PID|1||42^^^H^PI||Yamada^Taro\r") {
  return "MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20260401120000||ADT^A01^ADT_A01|" + std::string(control_id) +
         "|P|2.5||||||UNICODE UTF-8\r" + std::string(rest);
}
std::string with_acks(std::string_view accept, std::string_view application, std::string_view version = "2.5") {
  return "MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20260401120000||ADT^A01|M1|P|" + std::string(version) + "|||" +
         std::string(accept) + "|" + std::string(application) + "\rPID|1\r";
}

// Everything a test needs to send frames and look at what became of them.
class ReceiverTest : public ::testing::Test {
 protected:
  ReceiverTest() { start({.listener = "adt"}); }
  ~ReceiverTest() override { journal.commit_held(); }

  void start(ListenerRules rules, ReceiverOptions options = {}) {
    options.on_fatal = [this](const Error& error) { fatal.push_back(error); };
    receiver = std::make_unique<Receiver>(std::move(options), journal, clock,
                                          *(registry = std::make_unique<metrics::Registry>()));
    listener = receiver->add_listener(std::move(rules));
    peer = receiver->peer(*listener, "192.0.2.7:50123", "cert:his.example");
  }

  IncomingFrame frame(std::string bytes, std::uint64_t ticket, mllp::EventKind kind = mllp::EventKind::kFrame) {
    mllp::Event event;
    event.kind = kind;
    event.count = bytes.size();
    event.bytes = std::move(bytes);
    return {.event = std::move(event), .ticket = ticket, .peer = &peer};
  }
  void send(IncomingFrame one) {
    std::vector<IncomingFrame> batch;
    batch.push_back(std::move(one));
    receiver->receive(std::move(batch), sink);
  }
  std::uint64_t send(std::string bytes, mllp::EventKind kind = mllp::EventKind::kFrame) {
    send(frame(std::move(bytes), ++last_ticket, kind));
    return last_ticket;
  }
  bool answered(std::uint64_t ticket) const { return sink.by_ticket.contains(ticket); }
  std::string wire(std::uint64_t ticket) const {
    const auto at = sink.by_ticket.find(ticket);
    return at == sink.by_ticket.end() ? "(no answer)" : at->second.wire;
  }
  // MSA-1 and MSA-2 of each block, and ERR codes: "AA M1", "AE  101".
  std::vector<std::string> told(std::uint64_t ticket) const {
    mllp::Framer framer;
    std::vector<mllp::Event> events;
    framer.feed(wire(ticket), events);
    std::vector<std::string> out;
    for (const mllp::Event& event : events) {
      const auto header = hl7::peek_header(event.bytes);
      const auto answer = header ? hl7::read_acknowledgement(event.bytes, *header) : std::nullopt;
      out.push_back(answer ? std::string(hl7::name(answer->code)) + " " + std::string(answer->control_id)
                           : "(not an answer)");
    }
    return out;
  }
  static json::Document meta(const Entry& entry) {
    auto document = json::parse(entry.record.meta);
    EXPECT_TRUE(document) << entry.record.meta;
    return *document;
  }

  FixedClock clock;
  TestJournal journal;
  std::unique_ptr<metrics::Registry> registry;
  std::vector<Error> fatal;
  std::unique_ptr<Receiver> receiver;
  ReceiveListener* listener = nullptr;
  ReceivePeer peer;
  Answered sink;
  std::uint64_t last_ticket = 0;
};

using Told = std::vector<std::string>;

TEST_F(ReceiverTest, AnswersOnlyWhenTheRecordIsDurable) {
  journal.set_mode(TestJournal::Mode::kHold);
  const auto ticket = send(adt("M1"));
  EXPECT_FALSE(answered(ticket));
  EXPECT_EQ(receiver->in_flight(), 1u);
  journal.commit_held();
  EXPECT_EQ(told(ticket), Told{"AA M1"});
  EXPECT_EQ(receiver->in_flight(), 0u);
}

TEST_F(ReceiverTest, KeepsTheExactBytesAndSaysWhereTheyCameFrom) {
  const std::string bytes = adt("M1");
  send(bytes);
  const auto entries = journal.entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].record.kind, RecordKind::kHl7Received);
  EXPECT_EQ(entries[0].record.body, bytes);
  EXPECT_EQ(entries[0].record.time, clock.time);
  const auto document = meta(entries[0]);
  EXPECT_EQ(document.root()["listener"].string_or(""), "adt");
  EXPECT_EQ(document.root()["peer"].string_or(""), "192.0.2.7:50123");
  EXPECT_EQ(document.root()["identity"].string_or(""), "cert:his.example");
  EXPECT_EQ(document.root()["sender"]["application"].string_or(""), "HIS");
  EXPECT_EQ(document.root()["sender"]["facility"].string_or(""), "HOSP");
  EXPECT_EQ(document.root()["ack"].string_or(""), "AA");
  EXPECT_FALSE(document.root()["authoritative"].present());
}

TEST_F(ReceiverTest, ManyFramesAreOneSubmissionAndOneCallBack) {
  std::vector<IncomingFrame> batch;
  for (std::uint64_t i = 1; i <= 20; ++i) batch.push_back(frame(adt("M" + std::to_string(i)), i));
  receiver->receive(std::move(batch), sink);
  EXPECT_EQ(journal.submissions(), 1u);
  EXPECT_EQ(sink.calls, 1);
  ASSERT_EQ(sink.order.size(), 20u);
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(told(i), Told{"AA M" + std::to_string(i)});
}

TEST_F(ReceiverTest, TheSameBytesAgainGetTheVerySameAnswerAndOneEffect) {
  const auto first = send(adt("M1"));
  clock.time += std::chrono::seconds(5);
  const auto second = send(adt("M1"));
  EXPECT_EQ(wire(first), wire(second));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
  const auto duplicates = journal.entries_of(RecordKind::kHl7Duplicate);
  ASSERT_EQ(duplicates.size(), 1u);
  EXPECT_TRUE(duplicates[0].record.body.empty());
  EXPECT_EQ(meta(duplicates[0]).root()["of"].unsigned_integer(), 1u);
}

TEST_F(ReceiverTest, ADuplicateOfOneBeingCommittedWaitsForIt) {
  journal.set_mode(TestJournal::Mode::kHold);
  const auto first = send(adt("M1"));
  clock.time += std::chrono::seconds(1);
  const auto second = send(adt("M1"));
  EXPECT_FALSE(answered(first));
  EXPECT_FALSE(answered(second));
  journal.commit_held();
  EXPECT_EQ(told(first), Told{"AA M1"});
  EXPECT_EQ(wire(first), wire(second));
  journal.set_mode(TestJournal::Mode::kCommitAtOnce);
  receiver->flush();
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Duplicate).size(), 1u);
}

TEST_F(ReceiverTest, DuplicatesInOneReadAreOneMessage) {
  std::vector<IncomingFrame> batch;
  batch.push_back(frame(adt("M1"), 1));
  batch.push_back(frame(adt("M1"), 2));
  receiver->receive(std::move(batch), sink);
  EXPECT_EQ(wire(1), wire(2));
  EXPECT_EQ(told(1), Told{"AA M1"});
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
}

TEST_F(ReceiverTest, TheSameIdWithOtherBytesIsProcessedAndFlagged) {
  send(adt("M1"));
  const auto second = send(adt("M1", "PID|1||43^^^H^PI\r"));
  EXPECT_EQ(told(second), Told{"AA M1"});
  const auto entries = journal.entries_of(RecordKind::kHl7Received);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_FALSE(meta(entries[0]).root()["warnings"].present());
  const auto flagged = meta(entries[1]);
  const auto warnings = flagged.root()["warnings"];
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ((*warnings.entries().begin()).value.string_or(""), "control-id-reused");
  // Its own resend is a duplicate of it.
  EXPECT_EQ(wire(send(adt("M1", "PID|1||43^^^H^PI\r"))), wire(second));
}

TEST_F(ReceiverTest, TheSameBytesFromAnotherIdentityAreAnotherMessage) {
  send(adt("M1"));
  peer = receiver->peer(*listener, "192.0.2.8:1", "cert:lab.example");
  send(adt("M1"));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 2u);
}

TEST_F(ReceiverTest, AResendAfterANegativeAnswerIsProcessedAfresh) {
  journal.refuse({Errc::kUnavailable, "full"});
  const auto refused = send(adt("M1"));
  EXPECT_EQ(told(refused), Told{"AR M1"});
  journal.accept_again();
  EXPECT_EQ(told(send(adt("M1"))), Told{"AA M1"});
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
  EXPECT_TRUE(journal.entries_of(RecordKind::kHl7Duplicate).empty());
}

TEST_F(ReceiverTest, ARefusedMessageSentAgainIsJudgedAgain) {
  const std::string bad = "MSH|^~\\&|HIS|H|||20260401||ADT^A01||P|2.5\r";
  const auto first = send(bad);
  const auto second = send(bad);
  EXPECT_EQ(told(first), Told{"AE "});
  EXPECT_EQ(told(second), Told{"AE "});
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Refused).size(), 2u);
}

TEST_F(ReceiverTest, WhenTheJournalRefusesTheOnesThatWaitedAreTurnedAwayToo) {
  journal.set_mode(TestJournal::Mode::kHold);
  const auto first = send(adt("M1"));
  const auto second = send(adt("M1"));
  journal.fail_held({Errc::kUnavailable, "closed"});
  EXPECT_EQ(told(first), Told{"AR M1"});
  EXPECT_EQ(told(second), Told{"AR M1"});
  EXPECT_TRUE(fatal.empty());
  EXPECT_NE(wire(first), wire(second)) << "two answers, two ids";
}

TEST_F(ReceiverTest, AFailedCommitIsNeverAnsweredAndStopsTheProcess) {
  journal.set_mode(TestJournal::Mode::kHold);
  const auto first = send(adt("M1"));
  const auto waiting = send(adt("M1"));
  const auto bad = send("HELLO");
  journal.fail_held({Errc::kCorrupt, "fdatasync"});
  ASSERT_EQ(fatal.size(), 1u);
  for (const auto ticket : {first, waiting, bad}) {
    EXPECT_EQ(wire(ticket), "");
    EXPECT_EQ(sink.by_ticket[ticket].link, Link::kClose);
  }
}

TEST_F(ReceiverTest, AcknowledgementModesAreObeyed) {
  const std::vector<std::pair<std::string, Told>> cases = {
      {with_acks("", ""), {"AA M1"}},     {with_acks("AL", "NE"), {"CA M1"}},
      {with_acks("NE", "NE"), {}},        {with_acks("AL", "AL"), {"CA M1", "AA M1"}},
      {with_acks("ER", "ER"), {}},        {with_acks("SU", "NE"), {"CA M1"}},
      {with_acks("NE", "AL"), {"AA M1"}},
  };
  for (const auto& [bytes, expected] : cases) {
    start({.listener = "adt"});
    EXPECT_EQ(told(send(bytes)), expected) << bytes.substr(0, 90);
  }
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), cases.size()) << "silence is no loss";
}

TEST_F(ReceiverTest, FaultsAreToldByMode) {
  const std::vector<std::pair<std::string, Told>> cases = {
      {with_acks("", "", "9.9"), {"AR M1"}},     {with_acks("AL", "NE", "9.9"), {"CR M1"}},
      {with_acks("NE", "NE", "9.9"), {}},        {with_acks("AL", "AL", "9.9"), {"CR M1"}},
      {with_acks("SU", "NE", "9.9"), {}},        {with_acks("ER", "ER", "9.9"), {"CR M1"}},
      {with_acks("SU", "AL", "9.9"), {"AR M1"}},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(told(send(bytes)), expected) << bytes.substr(0, 90);
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Refused).size(), cases.size());
}

TEST_F(ReceiverTest, ASenderThatCannotReadTwoBlocksGetsTheAcceptAcknowledgementOnly) {
  start({.listener = "adt", .application_answer = ApplicationAnswer::kWithheld});
  EXPECT_EQ(told(send(with_acks("AL", "AL"))), Told{"CA M1"});
}

TEST_F(ReceiverTest, TheRecordOfARefusalSaysWhatAndWhere) {
  send("MSH|^~\\&|HIS|HOSP|||20260401||ZZZ^Z99|M1|P|2.5\r");
  const auto entries = journal.entries_of(RecordKind::kHl7Refused);
  ASSERT_EQ(entries.size(), 1u);
  const auto document = meta(entries[0]);
  const auto errors = document.root()["errors"];
  ASSERT_EQ(errors.size(), 1u);
  const auto error = (*errors.entries().begin()).value;
  EXPECT_EQ(error["code"].unsigned_integer(), 200u);
  EXPECT_EQ(error["segment"].string_or(""), "MSH");
  EXPECT_EQ(error["field"].unsigned_integer(), 9u);
  EXPECT_EQ(error["offset"].unsigned_integer(), entries[0].record.body.find("ZZZ^Z99"));
  EXPECT_EQ(document.root()["ack"].string_or(""), "AR");
}

TEST_F(ReceiverTest, ARuleMayAllowATypeThatNoTableHas) {
  ListenerRules rules{.listener = "adt"};
  rules.header.allow = [](std::string_view type, std::string_view event) { return type == "ZZZ" && event == "Z99"; };
  start(std::move(rules));
  EXPECT_EQ(told(send("MSH|^~\\&|HIS|HOSP|||20260401||ZZZ^Z99|M1|P|2.5\r")), Told{"AA M1"});
  EXPECT_EQ(told(send("MSH|^~\\&|HIS|HOSP|||20260401||ZZY^Z99|M2|P|2.5\r")), Told{"AR M2"});
}

TEST_F(ReceiverTest, BrokenFramesAreAnsweredByTheirKind) {
  EXPECT_EQ(told(send("", mllp::EventKind::kEmptyFrame)), Told{"AR "});
  EXPECT_EQ(told(send("HELLO WORLD")), Told{"AR "});
  EXPECT_EQ(told(send(adt("M5"), mllp::EventKind::kNoStartBlock)), Told{"AR M5"});
  EXPECT_EQ(told(send(adt("M6").substr(0, 70), mllp::EventKind::kOversize)), Told{"AR M6"});
  EXPECT_EQ(told(send(adt("M7"), mllp::EventKind::kHalfFrame)), Told{});
  EXPECT_EQ(told(send(adt("M8"), mllp::EventKind::kClosedMidFrame)), Told{});
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Refused).size(), 6u);
  EXPECT_TRUE(journal.entries_of(RecordKind::kHl7Received).empty());
}

TEST_F(ReceiverTest, HalfAFrameIsNeverAnsweredEvenIfTheJournalRefuses) {
  journal.refuse({Errc::kUnavailable, "full"});
  const auto ticket = send(adt("M7"), mllp::EventKind::kHalfFrame);
  EXPECT_TRUE(answered(ticket));
  EXPECT_EQ(wire(ticket), "");
}

TEST_F(ReceiverTest, OnlyAllowedSendersMaySend) {
  start({.listener = "adt",
         .senders_allowed = {{.application = "LAB", .facility = ""}, {.application = "HIS", .facility = "X"}}});
  EXPECT_EQ(told(send(adt("M1"))), Told{"AR M1"});
  EXPECT_EQ(told(send("MSH|^~\\&|LAB|HOSP|||20260401||ORU^R01|M2|P|2.5\r")), Told{"AA M2"});
}

TEST_F(ReceiverTest, OnlyAnAuthenticatedFeedByItsNameIsAuthoritative) {
  start({.listener = "adt",
         .authoritative = {{.identity = "cert:his.example", .sender = {.application = "HIS", .facility = ""}}}});
  send(adt("M1"));
  peer = receiver->peer(*listener, "192.0.2.7:1", "cert:evil.example");
  send(adt("M2"));
  peer = receiver->peer(*listener, "192.0.2.7:1", "");
  send(adt("M3"));
  peer = receiver->peer(*listener, "192.0.2.7:1", "cert:his.example");
  send("MSH|^~\\&|OTHER|HOSP|||20260401||ADT^A01|M4|P|2.5\r");
  const auto entries = journal.entries();
  ASSERT_EQ(entries.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(meta(entries[i]).root()["authoritative"].boolean().value_or(false), i == 0) << i;
  }
}

TEST_F(ReceiverTest, AFeedMayBeKnownByABlockOfAddresses) {
  start({.listener = "adt", .authoritative = {{.identity = "address:192.0.2.0/24", .sender = {.application = "HIS"}}}});
  for (const char* identity : {"address:192.0.2.7", "address:192.0.3.7", "cert:192.0.2.7", ""}) {
    peer = receiver->peer(*listener, "192.0.2.7:1", identity);
    send(adt(std::string("M") + identity));
  }
  const auto entries = journal.entries();
  ASSERT_EQ(entries.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(meta(entries[i]).root()["authoritative"].boolean().value_or(false), i == 0) << i;
  }
}

TEST_F(ReceiverTest, AnIncomingAcknowledgementIsRecordedAndNeverAcknowledged) {
  const std::string ack = "MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20260401||ACK|A1|P|2.5\rMSA|AA|MN42\r";
  EXPECT_EQ(told(send(ack)), Told{});
  EXPECT_EQ(told(send("MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20260401||ACK||P|9.9\rMSA|AA|MN43\r")), Told{});
  const auto entries = journal.entries_of(RecordKind::kHl7Received);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(meta(entries[0]).root()["answer"].string_or(""), "AA");
  EXPECT_EQ(entries[0].record.body, ack);
  // An accept acknowledgement of it is another matter: its sender asked for one.
  EXPECT_EQ(told(send("MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20260401||ACK|A2|P|2.5|||AL|NE\rMSA|AA|MN44\r")), Told{"CA A2"});
}

const std::string kBatch = "FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + adt("B1") + adt("B2") + "BTS|2\rFTS|1\r";

TEST_F(ReceiverTest, EachMessageOfABatchIsKeptAndAnsweredInOrder) {
  const auto ticket = send(kBatch);
  EXPECT_EQ(told(ticket), (Told{"AA B1", "AA B2"}));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 2u);
}

std::string base64_decoded(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    count += 6;
    if (count >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xFF));
  }
  return out;
}

TEST_F(ReceiverTest, TheRecordsOfABatchGiveItsBytesBack) {
  send(kBatch);
  std::string rebuilt;
  for (const Entry& entry : journal.entries()) {
    const auto document = meta(entry);
    const auto place = document.root()["batch"];
    rebuilt += base64_decoded(place["before"].string_or("")) + entry.record.body +
               base64_decoded(place["after"].string_or(""));
  }
  EXPECT_EQ(rebuilt, kBatch);
}

TEST_F(ReceiverTest, ABadMessageInABatchStopsNothingElse) {
  const auto ticket =
      send("BHS|^~\\&|HIS\r" + adt("B1") + "MSH|^~\\&|HIS|H|||20260401||ZZZ^Z99|B2|P|2.5\r" + adt("B3") + "BTS|3\r");
  EXPECT_EQ(told(ticket), (Told{"AA B1", "AR B2", "AA B3"}));
}

TEST_F(ReceiverTest, ABatchMayBeAnsweredAsABatch) {
  start({.listener = "adt", .batch_answer = BatchAnswer::kBatch});
  const std::string bytes = wire(send(kBatch));
  EXPECT_EQ(std::ranges::count(bytes, mllp::kStartBlock), 1);
  EXPECT_TRUE(
      bytes.starts_with("\x0B"
                        "FHS|^~\\&|MINATO|\rBHS|^~\\&|MINATO|\rMSH|"));
  EXPECT_NE(bytes.find("MSA|AA|B1\r"), std::string::npos);
  EXPECT_LT(bytes.find("MSA|AA|B1\r"), bytes.find("MSA|AA|B2\r"));
  EXPECT_TRUE(bytes.ends_with("BTS|2\rFTS|1\r\x1C\r"));
  EXPECT_EQ(wire(send(kBatch)), bytes) << "a resend gets the same";
}

TEST_F(ReceiverTest, ABatchWithoutMessagesIsRefused) {
  EXPECT_EQ(told(send("FHS|^~\\&|HIS\rBHS|^~\\&|HIS\rBTS|0\rFTS|1\r")), Told{"AE "});
}

TEST_F(ReceiverTest, ADuplicateInABatchGetsItsFirstAnswer) {
  const auto first = send(adt("B1"));
  const auto batch = send(kBatch);
  EXPECT_TRUE(wire(batch).starts_with(wire(first)));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 2u);
}

TEST_F(ReceiverTest, AfterARestartTheWindowIsRebuiltFromTheJournal) {
  const auto first = send(adt("M1"));
  const auto silent = send(with_acks("NE", "NE"));
  send("HELLO");
  clock.time += std::chrono::hours(1);
  start({.listener = "adt"});
  ASSERT_TRUE(receiver->recover());
  EXPECT_EQ(wire(send(adt("M1"))), wire(first));
  EXPECT_EQ(wire(send(with_acks("NE", "NE"))), wire(silent));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 2u);
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Duplicate).size(), 2u);
}

TEST_F(ReceiverTest, AnIdentityWithQuotesInItIsFoundAgainAfterARestart) {
  const std::string identity = "cert:\"Dr.\" \\ 山本, \"identity\":\"x\"";
  peer = receiver->peer(*listener, "192.0.2.7:1", identity);
  const auto first = send(adt("M1"));
  start({.listener = "a\"b"});
  ASSERT_TRUE(receiver->recover());
  peer = receiver->peer(*listener, "192.0.2.7:2", identity);
  EXPECT_EQ(wire(send(adt("M1"))), wire(first));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
}

TEST_F(ReceiverTest, WhatIsOlderThanTheWindowIsAFreshMessage) {
  send(adt("M1"));
  clock.time += std::chrono::hours(25);
  start({.listener = "adt"});
  ASSERT_TRUE(receiver->recover());
  send(adt("M1"));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 2u);
}

TEST_F(ReceiverTest, EntriesOfAnotherNodeCountAsSeen) {
  const auto first = send(adt("M1"));
  TestJournal elsewhere;
  Receiver other({}, elsewhere, clock, *registry);
  ReceiveListener* theirs = other.add_listener({.listener = "adt"});
  const ReceivePeer same = other.peer(*theirs, "192.0.2.7:9", "cert:his.example");
  other.observe(journal.entries());
  Answered answers;
  std::vector<IncomingFrame> batch;
  batch.push_back({.event = {.kind = mllp::EventKind::kFrame, .bytes = adt("M1")}, .ticket = 1, .peer = &same});
  other.receive(std::move(batch), answers);
  EXPECT_EQ(answers.by_ticket[1].wire, wire(first));
  EXPECT_TRUE(elsewhere.entries_of(RecordKind::kHl7Received).empty());
}

TEST_F(ReceiverTest, AnEditedMessageIsNobodysDuplicate) {
  Record edited{.kind = RecordKind::kHl7Received,
                .time = clock.time,
                .meta = R"({"edited_from":1,"by":"op"})",
                .body = adt("M1")};
  const std::vector<Entry> entries = {{Seq{5}, edited}};
  receiver->observe(entries);
  peer = receiver->peer(*listener, "192.0.2.7:9", "");
  send(adt("M1"));
  EXPECT_EQ(journal.entries_of(RecordKind::kHl7Received).size(), 1u);
}

TEST_F(ReceiverTest, ALyingCharacterSetIsAnsweredWithAWarningAndKept) {
  // Declared ASCII by an empty MSH-18, sent as Shift_JIS.
  const std::string bytes =
      "MSH|^~\\&|HIS|HOSP|||20260401||ADT^A01|M1|P|2.5\rPID|1||42||\x8E\x52\x93\x63^\x91\xBE\x98\x59\r";
  const auto ticket = send(bytes);
  EXPECT_EQ(told(ticket), Told{"AA M1"});
  EXPECT_NE(wire(ticket).find("\rERR|"), std::string::npos);
  EXPECT_NE(wire(ticket).find("|W|"), std::string::npos);
  const auto entries = journal.entries();
  EXPECT_EQ(entries[0].record.body, bytes);
  EXPECT_EQ(meta(entries[0]).root()["charset"].string_or(""), "Shift_JIS");
}

TEST_F(ReceiverTest, InvalidTextIsRefusedWhereTheListenerSaysSo) {
  const std::string bytes = adt("M1", "PID|1||42||\xFF\xFE\xC0\xAF bad\r");
  EXPECT_EQ(told(send(bytes)), Told{"AA M1"});
  start({.listener = "adt", .invalid_text = InvalidText::kRefuse});
  EXPECT_EQ(told(send(bytes)), Told{"AE M1"});
}

TEST_F(ReceiverTest, NothingOfAMessageReachesTheLog) {
  std::string lines;
  {
    const log::Redirect redirect([&](std::string_view line) { lines += line; });
    send("MSH|^~\\&|SECRETAPP|HOSP|||20260401||ZZZ^Z99|SECRETID|P|2.5\rPID|1||SECRETMRN||SECRET^NAME\r");
    send("SECRET TEXT");
    send(adt("SECRETID", "PID|SECRET\r"), mllp::EventKind::kHalfFrame);
    journal.refuse({Errc::kUnavailable, "full"});
    send(adt("SECRETID"));
  }
  EXPECT_NE(lines.find("receive.refused"), std::string::npos);
  EXPECT_EQ(lines.find("SECRET"), std::string::npos) << lines;
}

// Whatever hospitals send: each frame is answered by the book, and its bytes are kept, as one message or as a batch.
TEST_F(ReceiverTest, EveryMessageOfTheCorpusIsAnsweredAndKeptExactly) {
  const char* source = std::getenv("MINATO_SOURCE_DIR");
  const std::filesystem::path corpus = std::string(source == nullptr ? "." : source) + "/../shared/data/hl7v2";
  if (!std::filesystem::exists(corpus)) GTEST_SKIP() << "left out: " << corpus << " is not there";
  const log::Redirect quiet([](std::string_view) {});
  std::map<std::string, int> answers;
  for (const auto& file : std::filesystem::recursive_directory_iterator(corpus)) {
    if (!file.is_regular_file() || file.path().extension() == ".json" || file.path().extension() == ".bin") continue;
    SCOPED_TRACE(file.path().string());
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    const std::size_t before = journal.entries().size();
    const auto ticket = send(bytes);
    ASSERT_TRUE(answered(ticket));
    std::string kept;
    const auto entries = journal.entries();
    for (std::size_t i = before; i < entries.size(); ++i) {
      const auto document = meta(entries[i]);
      const auto place = document.root()["batch"];
      if (entries[i].record.kind == RecordKind::kHl7Duplicate) kept = bytes;  // its bytes are there already
      kept += base64_decoded(place["before"].string_or("")) + entries[i].record.body;
      kept += base64_decoded(place["after"].string_or(""));
    }
    EXPECT_TRUE(kept == bytes || kept.starts_with(bytes)) << "bytes were lost";
    for (const std::string& told_one : told(ticket)) ++answers[told_one.substr(0, 2)];
  }
  // Types of SS-MIX2 that no HL7 table has (PPR^ZD1, OMI^Z23), one message without MSH-10, and files that are no HL7.
  EXPECT_GT(answers["AA"] + answers["CA"], 200);
  EXPECT_LT(answers["AE"] + answers["AR"], 30);
}

TEST_F(ReceiverTest, AMessageThatHoldsWhatLooksLikeAnAnswersIdIsEchoedUntouched) {
  const auto ticket = send(adt("MN0000000000000001"));
  EXPECT_EQ(told(ticket), Told{"AA MN0000000000000001"});
}

}  // namespace
}  // namespace minato
