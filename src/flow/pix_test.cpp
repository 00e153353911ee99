#include "flow/pix.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "flow/pix_guard.h"
#include "flow/pix_messages.h"
#include "format/hl7/message.h"
#include "format/hl7/mllp_framer.h"
#include "os/socket.h"

namespace minato {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FixedClock final : public Clock {
 public:
  Time now() const override { return *from_rfc3339("2026-11-24T05:06:07Z"); }
  Deadline::duration steady() const override { return steady_now; }
  Deadline::duration steady_now{};
};

// Accepts connections one after another; `serve` reads and writes on each until it returns false, which closes it.
class TestServer {
 public:
  using Serve = std::function<bool(int fd, const std::string& received)>;
  explicit TestServer(Serve serve) : serve_(std::move(serve)) {
    Result<Listener> listener = listen_tcp({});
    EXPECT_TRUE(listener);
    listener_.emplace(std::move(*listener));
    EXPECT_EQ(::pipe(stop_), 0);
    thread_ = std::thread([this] { run(); });
  }
  ~TestServer() {
    EXPECT_EQ(::write(stop_[1], "x", 1), 1);
    thread_.join();
    ::close(stop_[0]);
    ::close(stop_[1]);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  std::uint16_t port() const { return listener_->bound.port; }
  int connections() const { return connections_; }
  int questions() const { return questions_; }

 private:
  // False: the test is over.
  bool wait(int fd) const {
    pollfd both[2] = {{fd, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    return ::poll(both, 2, -1) > 0 && both[1].revents == 0;
  }
  void run() {
    while (wait(listener_->fd.get())) {
      Result<std::optional<Accepted>> accepted = accept_tcp(listener_->fd);
      if (!accepted || !*accepted) continue;
      ++connections_;
      serve_connection((*accepted)->fd.get());
    }
  }
  void serve_connection(int fd) {
    std::string received;
    char buffer[4096];
    while (wait(fd)) {
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n <= 0) return;
      received.append(buffer, static_cast<std::size_t>(n));
      const bool whole = received.ends_with("\x1C\r") || received.find("\r\n\r\n") != std::string::npos;
      if (!whole) continue;
      ++questions_;
      if (!serve_(fd, received)) return;
      received.clear();
    }
  }

  Serve serve_;
  std::optional<Listener> listener_;
  int stop_[2] = {-1, -1};
  std::atomic<int> connections_ = 0, questions_ = 0;
  std::thread thread_;
};

void send(int fd, std::string_view bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

hl7::Message question_in(const std::string& frame) {
  Result<hl7::Message> message = hl7::Message::parse(frame.substr(1, frame.size() - 3));
  EXPECT_TRUE(message);
  return std::move(*message);
}

// An answer as a master writes it: MSA and QAK to the question, then `pids`.
std::string answer_to(const hl7::Message& question, const std::string& type, const std::string& ack,
                      const std::string& status, const std::string& more) {
  return mllp::encode_frame("MSH|^~\\&|PIX_MANAGER|PIX|MINATO|MINATO|20261124140608||" + type +
                            "|R1|P|2.5||||||UNICODE UTF-8\rMSA|" + ack + "|" + question.get("MSH-10") + "\r" + more +
                            "QAK|" + question.get("QPD-2") + "|" + status + "\rQPD|" +
                            std::string(question.segment("QPD").raw().substr(4)) + "\r");
}

MasterOptions hl7_options(std::uint16_t port) {
  MasterOptions options;
  options.kind = MasterKind::kHl7v2;
  options.host = "127.0.0.1";
  options.port = port;
  options.breaker.failures_max = 2;
  return options;
}

const Identifier kAsked{"1.2.392.1", "100"};

// A real master in small: knows 100 in domain 1.2.392.1, who is HOSP 555 elsewhere.
bool small_master(int fd, const std::string& frame) {
  const hl7::Message question = question_in(frame);
  if (question.get("MSH-9.2") == "Q23") {
    EXPECT_EQ(question.get("QPD-1"), "IHE PIX Query");
    if (question.get("QPD-3.1") != "100" || question.get("QPD-3.4.2") != "1.2.392.1") {
      send(fd, answer_to(question, "RSP^K23^RSP_K23", "AE", "AE", "ERR||QPD^1^3^1^1|204|E\r"));
      return true;
    }
    send(fd, answer_to(question, "RSP^K23^RSP_K23", "AA", "OK", "PID|||555^^^HOSP~100^^^&1.2.392.1&ISO||^^^^^^S\r"));
    return true;
  }
  EXPECT_EQ(question.get("QPD-1"), "IHE PDQ Query");
  EXPECT_EQ(question.raw("QPD-3"), "@PID.3.1^100");
  EXPECT_EQ(question.raw("QPD-3[2]"), "@PID.3.4.2^1.2.392.1");
  send(fd, answer_to(question, "RSP^K22^RSP_K21", "AA", "OK",
                     "PID|||100^^^&1.2.392.1&ISO||山田^太郎^^^^^L^I~ヤマダ^タロウ^^^^^L^P||19700102030405|M\r"
                     "PID|||7^^^HOSP||Other^Body||1980|F\r"));
  return true;
}

TEST(Pix, TheMasterTellsThePersonsOtherIdentifiersOverOneLink) {
  TestServer server(small_master);
  FixedClock clock;
  auto master = make_patient_master(hl7_options(server.port()), clock);
  ASSERT_TRUE(master);
  const auto others = (*master)->identifiers(kAsked);
  ASSERT_TRUE(others) << others.error().what;
  EXPECT_EQ(*others, (std::vector<Identifier>{{"HOSP", "555"}}));
  const auto unknown = (*master)->identifiers({"1.2.392.1", "999"});
  ASSERT_TRUE(unknown) << unknown.error().what;
  EXPECT_TRUE(unknown->empty());
  EXPECT_EQ(server.connections(), 1);
}

TEST(Pix, TheMasterTellsWhoThePersonIs) {
  TestServer server(small_master);
  FixedClock clock;
  auto master = make_patient_master(hl7_options(server.port()), clock);
  ASSERT_TRUE(master);
  const auto people = (*master)->people(kAsked);
  ASSERT_TRUE(people) << people.error().what;
  ASSERT_EQ(people->size(), 2U);
  EXPECT_EQ((*people)[0].identifiers, (std::vector<Identifier>{kAsked}));
  ASSERT_EQ((*people)[0].demographics.names->size(), 2U);
  EXPECT_EQ((*people)[0].demographics.names->at(1).family + (*people)[0].demographics.names->at(1).representation,
            "ヤマダP");
  EXPECT_EQ(*(*people)[0].demographics.birth_date, "19700102");
  EXPECT_EQ(*(*people)[1].demographics.sex, "F");
}

TEST(Pix, AnswersAreKeptForAWhileAndUnknownOnesShorter) {
  TestServer server(small_master);
  FixedClock clock;
  auto master = make_patient_master(hl7_options(server.port()), clock);
  ASSERT_TRUE(master);
  const auto ask = [&](const Identifier& id) { EXPECT_TRUE((*master)->identifiers(id)); };
  ask(kAsked);
  ask({"1.2.392.1", "999"});
  clock.steady_now = seconds(29);
  ask(kAsked);
  ask({"1.2.392.1", "999"});
  EXPECT_EQ(server.questions(), 2);
  clock.steady_now = seconds(30);
  ask(kAsked);
  ask({"1.2.392.1", "999"});
  EXPECT_EQ(server.questions(), 3);
  clock.steady_now = seconds(300);
  ask(kAsked);
  EXPECT_EQ(server.questions(), 4);
}

TEST(Pix, ALinkThatThePeerClosedIsReplaced) {
  TestServer server([](int fd, const std::string& frame) {
    small_master(fd, frame);
    return false;
  });
  FixedClock clock;
  auto options = hl7_options(server.port());
  options.cache_entries_max = 0;
  auto master = make_patient_master(options, clock);
  ASSERT_TRUE(master);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*master)->identifiers(kAsked));
  EXPECT_EQ(server.connections(), 3);
}

TEST(Pix, AMasterThatDoesNotAnswerTimesOutAndIsLeftAlone) {
  TestServer server([](int, const std::string&) { return true; });
  FixedClock clock;
  auto options = hl7_options(server.port());
  options.timeout = milliseconds(50);
  auto master = make_patient_master(options, clock);
  ASSERT_TRUE(master);
  for (int i = 0; i < 2; ++i) {
    const auto answer = (*master)->identifiers(kAsked);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kRetry);
  }
  const auto refused = (*master)->people(kAsked);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_EQ(server.questions(), 2);
  clock.steady_now = options.breaker.pause_first;
  EXPECT_EQ((*master)->people(kAsked).error().code, Errc::kRetry);
  EXPECT_EQ(server.questions(), 3);
}

TEST(Pix, AnAnswerToAnotherQuestionIsNoAnswer) {
  const MasterQuery query{kAsked, "Q1", "20261124"};
  const auto read = [&](std::string_view msa, std::string_view rest) {
    return read_pix_answer(
        "MSH|^~\\&|A|B|C|D|20261124||RSP^K23|R|P|2.5\rMSA|" + std::string(msa) + "\r" + std::string(rest), query, {});
  };
  EXPECT_EQ(read("AA|Q2", "PID|||1^^^X\r").error().code, Errc::kRetry);
  EXPECT_EQ(read("AR|Q1", "").error().code, Errc::kRefused);
  EXPECT_EQ(read("AE|Q1", "ERR||QPD^1^4|204|E\r")->size(), 0U);
  EXPECT_EQ(read("AA|Q1", "QAK|Q1|NF\r")->size(), 0U);
  EXPECT_EQ(read("AA|Q1", "QAK|Q1|OK\rPID|||1^^^X\r")->size(), 1U);
  EXPECT_EQ(read_pix_answer("nonsense", query, {}).error().code, Errc::kRefused);
}

TEST(Pix, QuestionsNameTheDomainAsTheMasterDoes) {
  MasterOptions options;
  options.domain_aliases = {{"1.2.3", "HOSP"}};
  const auto pix = pix_query({{"HOSP", "a^b"}, "Q1", "20261124"}, options);
  ASSERT_TRUE(pix);
  EXPECT_NE(pix->find("QPD|IHE PIX Query|Q1|a\\S\\b^^^&1.2.3&ISO\r"), std::string::npos) << *pix;
  const auto pdq = pdq_query({{"WARD", "7"}, "Q1", "20261124"}, options);
  ASSERT_TRUE(pdq);
  EXPECT_NE(pdq->find("QPD|IHE PDQ Query|Q1|@PID.3.1^7~@PID.3.4.1^WARD\r"), std::string::npos) << *pdq;
  const auto back =
      read_pix_answer("MSH|^~\\&|A|B|C|D|1||RSP^K23|R|P|2.5\rMSA|AA|Q1\rQAK|Q1|OK\rPID|||9^^^&1.2.3&ISO\r",
                      {{"HOSP", "1"}, "Q1", ""}, options);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, (std::vector<Identifier>{{"HOSP", "9"}}));
}

// ---- FHIR

MasterOptions fhir_options(std::uint16_t port) {
  MasterOptions options;
  options.kind = MasterKind::kFhir;
  options.url = "http://127.0.0.1:" + std::to_string(port) + "/fhir/";
  options.bearer_token = "t0ken";
  options.domain_systems = {{"HOSP", "http://hosp.example/id"}};
  return options;
}

std::string http_answer(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/fhir+json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

constexpr const char* kParameters =
    R"({"resourceType":"Parameters","parameter":[{"name":"targetIdentifier",
      "valueIdentifier":{"system":"http://hosp.example/id","value":"555"}},
      {"name":"targetId","valueReference":{"reference":"Patient/1"}},
      {"name":"targetIdentifier","valueIdentifier":{"system":"urn:oid:1.2.392.1","value":"100"}}]})";
constexpr const char* kBundle =
    R"({"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"OperationOutcome"}},
      {"resource":{"resourceType":"Patient",
      "identifier":[{"system":"urn:oid:1.2.392.1","value":"100"}],"birthDate":"1970-01-02","gender":"male",
      "name":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation",
       "valueCode":"IDE"}],
       "family":"山田","given":["太郎"]},
      {"family":"Yamada","given":["Taro","T"]}]}}]})";

TEST(Pixm, TheMasterTellsThePersonsOtherIdentifiers) {
  TestServer server([](int fd, const std::string& request) {
    EXPECT_TRUE(
        request.starts_with("GET /fhir/Patient/$ihe-pix?sourceIdentifier=urn%3Aoid%3A1.2.392.1%7C100 HTTP/1.1\r\n"))
        << request;
    EXPECT_NE(request.find("Authorization: Bearer t0ken"), std::string::npos);
    send(fd, http_answer(200, kParameters));
    return true;
  });
  FixedClock clock;
  auto master = make_patient_master(fhir_options(server.port()), clock);
  ASSERT_TRUE(master);
  const auto others = (*master)->identifiers(kAsked);
  ASSERT_TRUE(others) << others.error().what;
  EXPECT_EQ(*others, (std::vector<Identifier>{{"HOSP", "555"}}));
}

TEST(Pixm, AnUnknownIdentifierIs404AndAFaultOfTheMasterIsNot) {
  std::atomic<int> status = 404;
  TestServer server([&](int fd, const std::string&) {
    send(fd, http_answer(status, R"({"resourceType":"OperationOutcome"})"));
    return true;
  });
  FixedClock clock;
  auto options = fhir_options(server.port());
  options.cache_entries_max = 0;
  options.breaker.failures_max = 100;
  auto master = make_patient_master(options, clock);
  ASSERT_TRUE(master);
  const auto unknown = (*master)->identifiers(kAsked);
  ASSERT_TRUE(unknown) << unknown.error().what;
  EXPECT_TRUE(unknown->empty());
  status = 503;
  EXPECT_EQ((*master)->identifiers(kAsked).error().code, Errc::kRetry);
  status = 200;
  EXPECT_EQ((*master)->identifiers(kAsked).error().code, Errc::kRetry);
  status = 401;
  EXPECT_EQ((*master)->identifiers(kAsked).error().code, Errc::kUnavailable);
  status = 400;
  EXPECT_EQ((*master)->identifiers(kAsked).error().code, Errc::kRefused);
}

TEST(Pdqm, TheMasterTellsWhoThePersonIs) {
  TestServer server([](int fd, const std::string& request) {
    EXPECT_TRUE(
        request.starts_with("GET /fhir/Patient?identifier=http%3A%2F%2Fhosp.example%2Fid%7C555&_count=10 HTTP/1.1\r\n"))
        << request;
    send(fd, http_answer(200, kBundle));
    return true;
  });
  FixedClock clock;
  auto master = make_patient_master(fhir_options(server.port()), clock);
  ASSERT_TRUE(master);
  const auto people = (*master)->people({"HOSP", "555"});
  ASSERT_TRUE(people) << people.error().what;
  ASSERT_EQ(people->size(), 1U);
  const Demographics& who = people->at(0).demographics;
  EXPECT_EQ(people->at(0).identifiers, (std::vector<Identifier>{kAsked}));
  EXPECT_EQ(*who.birth_date + *who.sex, "19700102M");
  EXPECT_EQ(who.names->at(0).family + who.names->at(0).representation, "山田I");
  EXPECT_EQ(who.names->at(1).given + "," + who.names->at(1).middle, "Taro,T");
}

TEST(Pixm, ADomainWithoutASystemIsNotAsked) {
  FixedClock clock;
  auto master = make_patient_master(fhir_options(1), clock);
  ASSERT_TRUE(master);
  EXPECT_EQ((*master)->identifiers({"WARD", "1"}).error().code, Errc::kRefused);
}

TEST(Master, WhatIsMissingInItsOptionsIsSaidAtTheStart) {
  FixedClock clock;
  EXPECT_EQ(*make_patient_master({}, clock), nullptr);
  EXPECT_EQ(make_patient_master({.kind = MasterKind::kHl7v2}, clock).error().code, Errc::kRefused);
  EXPECT_EQ(make_patient_master({.kind = MasterKind::kFhir}, clock).error().code, Errc::kRefused);
}

TEST(Cache, IsBoundedAndForgetsWhatWasUsedLeastRecently) {
  ExpiringCache<int> cache(2);
  cache.put("a", 1, seconds(10));
  cache.put("b", 2, seconds(10));
  ASSERT_NE(cache.find("a", seconds(0)), nullptr);
  cache.put("c", 3, seconds(10));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.find("b", seconds(0)), nullptr);
  EXPECT_EQ(*cache.find("a", seconds(9)), 1);
  EXPECT_EQ(cache.find("a", seconds(10)), nullptr);
  EXPECT_EQ(cache.size(), 1U);
  cache.put("c", 4, seconds(20));
  EXPECT_EQ(*cache.find("c", seconds(15)), 4);
}

}  // namespace
}  // namespace minato
