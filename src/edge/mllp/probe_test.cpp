// Plays the conversations of tests/mllp (see its README) and of ../shared/data/hl7v2/mllp_streams against the real
// listener.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/bytes.h"
#include "edge/mllp/test_server.h"

namespace minato::mllp {
namespace {

std::string source_dir() {
  const char* dir = std::getenv("MINATO_SOURCE_DIR");
  return dir == nullptr ? "." : dir;
}

std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What one <…> stands for.
std::string mark(std::string_view name) {
  static const std::map<std::string_view, std::string> kNamed = {{"SB", "\x0B"},         {"FS", "\x1C"},
                                                                 {"CR", "\r"},           {"LF", "\n"},
                                                                 {"ESC", "\x1B"},        {"NUL", std::string(1, '\0')},
                                                                 {"BOM", "\xEF\xBB\xBF"}};
  if (const auto at = kNamed.find(name); at != kNamed.end()) return at->second;
  if (name.starts_with("ADT ")) return adt(name.substr(4));
  if (name.starts_with("A ")) return std::string(parse_unsigned(name.substr(2)).value_or(0), 'A');
  const auto bytes = from_hex(name);
  EXPECT_TRUE(bytes) << "the case has <" << name << ">";
  return bytes.value_or("");
}

std::string bytes_of(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('<');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find('>', open);
    out += mark(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  return out;
}

std::pair<std::string, std::string> first_word(const std::string& text) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string::npos) return {text, ""};
  return {text.substr(0, blank), text.substr(blank + 1)};
}

// One conversation.
class Probe {
 public:
  explicit Probe(const std::filesystem::path& path) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      if (!line.empty() && line.front() != '#') steps_.push_back(first_word(line));
    }
  }

  void play() {
    ASSERT_FALSE(steps_.empty());
    while (!steps_.empty() && steps_.front().first == "option") {
      option(steps_.front().second);
      steps_.erase(steps_.begin());
    }
    server_ = std::make_unique<TestServer>(options_);
    link_ = std::make_unique<TestLink>(TestLink::to(*server_));
    for (const auto& [step, argument] : steps_) {
      SCOPED_TRACE(step + " " + argument.substr(0, 100));
      take(step, argument);
    }
    link_->end();
    const std::string rest = ended_ ? "(closed)" : link_->answer();
    EXPECT_EQ(rest, "(closed)") << "an answer that nobody expects";
  }

 private:
  void option(const std::string& text) {
    const auto [name, value] = first_word(text);
    const auto number = parse_unsigned(value).value_or(0);
    if (name == "frame_bytes_max") {
      options_.frame_bytes_max = number;
    } else if (name == "cr_wait_ms") {
      options_.cr_wait = std::chrono::milliseconds(number);
    } else if (name == "stall_ms") {
      options_.stall_timeout = std::chrono::milliseconds(number);
    } else {
      rule(name, value);
    }
  }
  void rule(const std::string& name, const std::string& value) {
    ListenerRules& rules = options_.rules;
    if (name == "batch_answer") {
      rules.batch_answer = BatchAnswer::kBatch;
    } else if (name == "invalid_text") {
      rules.invalid_text = InvalidText::kRefuse;
    } else if (name == "application_answer") {
      rules.application_answer = ApplicationAnswer::kWithheld;
    } else if (name == "control_id") {
      rules.header.control_id = hl7::Presence::kOptional;
    } else if (name == "sender") {
      rules.senders_allowed.push_back({.application = value});
    } else if (name == "allow") {
      rules.header.allow = [value](std::string_view type, std::string_view event) {
        return value == std::string(type) + "^" + std::string(event);
      };
    } else {
      ADD_FAILURE() << "no such option: " << name;
    }
  }

  void take(const std::string& step, const std::string& argument) {
    if (step == "send") return link_->send(bytes_of(argument));
    if (step == "answers") return answers(argument);
    if (step == "same") return same();
    if (step == "holds") return holds(bytes_of(argument));
    if (step == "end") return link_->end();
    if (step == "closed") return closed();
    if (step == "reconnect") return reconnect();
    if (step == "stored") return stored(argument);
    if (step == "counts") return counts(argument);
    if (step == "field" || step == "charset" || step == "body") return received(step, argument);
    ADD_FAILURE() << "no such step: " << step;
  }

  void read_answer() { last_ = link_->answer(); }
  void answers(const std::string& argument) {
    for (const std::string_view expected : split(argument, '|')) {
      read_answer();
      std::string told = TestLink::in_short(last_);
      if (told.size() > 2 && (told.size() == 3 || told[3] == ' ')) told.insert(3, "-");
      EXPECT_EQ(told, trim(expected));
    }
  }
  void same() {
    const std::string before = last_;
    read_answer();
    EXPECT_EQ(last_, before);
  }
  void holds(const std::string& bytes) {
    if (last_.empty()) read_answer();
    EXPECT_NE(last_.find(bytes), std::string::npos) << last_;
  }
  void closed() {
    const std::string answer = link_->answer();
    EXPECT_TRUE(answer == "(closed)" || answer.starts_with("(broken")) << answer;
    ended_ = true;
  }
  void reconnect() {
    link_->end();
    EXPECT_EQ(link_->answer(), "(closed)");
    link_ = std::make_unique<TestLink>(TestLink::to(*server_));
  }
  void stored(const std::string& argument) {
    static const std::map<std::string_view, RecordKind> kKinds = {{"received", RecordKind::kHl7Received},
                                                                  {"refused", RecordKind::kHl7Refused},
                                                                  {"duplicate", RecordKind::kHl7Duplicate}};
    for (const std::string_view part : split(argument, ' ')) {
      const auto sides = split(part, '=');
      EXPECT_EQ(server_->stored(kKinds.at(sides.at(0))), parse_unsigned(sides.at(1)).value_or(99)) << part;
    }
  }
  void counts(const std::string& argument) {
    auto [metric, value] = first_word(argument);
    metrics::Labels labels;
    if (const std::size_t brace = metric.find('{'); brace != std::string::npos) {
      const auto sides = split(std::string_view(metric).substr(brace + 1, metric.size() - brace - 2), '=');
      labels.emplace_back(sides.at(0), sides.at(1));
      metric.resize(brace);
    }
    EXPECT_EQ(server_->counted(metric, labels), parse_unsigned(value).value_or(99));
  }
  void received(const std::string& what, const std::string& argument) {
    const auto [number, rest] = first_word(argument);
    const auto entries = server_->journal.entries_of(RecordKind::kHl7Received);
    const std::size_t at = parse_unsigned(number).value_or(0);
    ASSERT_TRUE(at >= 1 && at <= entries.size());
    const Record& record = entries[at - 1].record;
    if (what == "body") {
      EXPECT_EQ(record.body, bytes_of(rest));
    } else if (what == "charset") {
      EXPECT_NE(record.meta.find("\"charset\":\"" + rest + "\""), std::string::npos) << record.meta;
    } else {
      const auto [path_text, text] = first_word(rest);
      const auto message = hl7::Message::view(record.body);
      const auto path = hl7::Path::parse(path_text);
      ASSERT_TRUE(message && path);
      EXPECT_EQ(message->get(*path), text);
    }
  }

  std::vector<std::pair<std::string, std::string>> steps_;
  ListenerOptions options_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<TestLink> link_;
  std::string last_;
  bool ended_ = false;
};

std::vector<std::string> cases() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() + "/tests/mllp", error)) {
    if (entry.path().extension() == ".case") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

class ProbeTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ProbeTest, GoesAsItsFileSays) { Probe(source_dir() + "/tests/mllp/" + GetParam() + ".case").play(); }

std::string case_name(const ::testing::TestParamInfo<std::string>& tested) { return tested.param; }
INSTANTIATE_TEST_SUITE_P(Cases, ProbeTest, ::testing::ValuesIn(cases()), case_name);

TEST(ProbeCases, AreThere) { EXPECT_GE(cases().size(), 24u) << "MINATO_SOURCE_DIR must name the source tree"; }

// expected.json of the corpus is prose; this is what it says.
TEST(StreamCorpus, IsAnsweredAsItsDescriptionSays) {
  const std::filesystem::path corpus = source_dir() + "/../shared/data/hl7v2/mllp_streams";
  if (!std::filesystem::exists(corpus)) GTEST_SKIP() << "left out: " << corpus << " is not there";
  const std::map<std::string, std::vector<std::string>> expected = {
      {"one_frame", {"AA M1"}},
      {"two_frames_back_to_back", {"AA M2", "AA M3"}},
      {"garbage_before_start", {"AA M4"}},
      {"no_end_block_then_close", {}},
      {"two_starts", {"AA M7"}},
      {"empty_frame", {"AR  100E"}},
      {"fs_without_cr", {"AA M8", "AA M9"}},
  };
  std::size_t played = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    if (entry.path().extension() != ".bin") continue;
    const auto answers = expected.find(entry.path().stem().string());
    ASSERT_NE(answers, expected.end()) << "a new stream: " << entry.path();
    SCOPED_TRACE(answers->first);
    TestServer server;
    TestLink link = TestLink::to(server);
    link.send(file_bytes(entry.path()));
    link.end();
    for (const std::string& answer : answers->second) EXPECT_EQ(link.told(), answer);
    EXPECT_EQ(link.told(), "(closed)");
    ++played;
  }
  EXPECT_EQ(played, expected.size());
}

}  // namespace
}  // namespace minato::mllp
