#include <cstdio>
#include <map>
#include <memory>
#include <thread>

#include <unistd.h>

#include "app/admin_client.h"
#include "app/commands.h"
#include "app/hospital.h"
#include "flow/mllp_client.h"
#include "format/hl7/ack.h"
#include "format/hl7/header.h"
#include "os/clock.h"

namespace minato {
namespace {

constexpr auto kAnswerWait = std::chrono::seconds(30);
constexpr auto kWorkWait = std::chrono::seconds(60);

struct Tally {
  std::map<std::string, std::uint64_t> acks;   // code → answers
  std::map<std::string, std::uint64_t> kinds;  // what → messages
  std::uint64_t sent = 0, mails = 0, dead_letters = 0, resends = 0;
  std::uint64_t stored = 0;        // messages that must be found afterwards
  std::vector<std::string> wrong;  // what was not as it must be
};

// One link for each system, as in a hospital.
class Links {
 public:
  Links(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
  Result<std::string> exchange(const HospitalMessage& message) {
    const auto deadline = std::chrono::steady_clock::now() + kAnswerWait;
    auto& link = links_[message.system];
    if (!link) {
      MllpClientOptions options;
      options.endpoint = {host_, port_};
      MN_TRY(made, MllpClient::connect(options, deadline));
      link = std::make_unique<MllpClient>(std::move(made));
    }
    return link->exchange(message.bytes, deadline);
  }

 private:
  std::string host_;
  std::uint16_t port_;
  std::map<std::string, std::unique_ptr<MllpClient>> links_;
};

std::string code_of(const std::string& answer) {
  const auto header = hl7::peek_header(answer);
  const auto ack = header ? hl7::read_acknowledgement(answer, *header) : std::nullopt;
  return ack ? std::string(hl7::name(ack->code)) : "?";
}

void count(const HospitalMessage& message, const std::string& answer, std::string& last_answer, Tally& tally) {
  const std::string code = code_of(answer);
  ++tally.sent;
  ++tally.acks[code];
  ++tally.kinds[message.what];
  if (code != message.expected_ack) {
    tally.wrong.push_back(message.what + ": answered " + code + ", must be " + message.expected_ack);
  }
  if (message.same_as_before) {
    ++tally.resends;
    if (answer != last_answer) tally.wrong.push_back(message.what + ": not the same answer as before");
  } else {
    ++tally.stored;
  }
  tally.mails += message.expect_mail ? 1 : 0;
  tally.dead_letters += message.expected_dead_letter.empty() ? 0 : 1;
  last_answer = answer;
}

Result<Tally> play(const SimulateOptions& options, const std::vector<HospitalMessage>& morning) {
  Links links(options.host, options.port);
  Tally tally;
  std::string last_answer;
  const bool show = !options.admin.json && ::isatty(2) != 0;
  for (const HospitalMessage& message : morning) {
    MN_TRY(answer, links.exchange(message));
    count(message, answer, last_answer, tally);
    if (show) {
      std::fprintf(stderr, "\r%llu of %zu messages", static_cast<unsigned long long>(tally.sent), morning.size());
    }
  }
  if (show) std::fputs("\n", stderr);
  return tally;
}

void print(const Tally& tally) {
  std::printf("\nSent %llu messages from three systems (ISO-2022-JP, Shift_JIS, UTF-8):\n",
              static_cast<unsigned long long>(tally.sent));
  for (const auto& [what, count] : tally.kinds)
    std::printf("  %5llu  %s\n", static_cast<unsigned long long>(count), what.c_str());
  std::printf("Answers:");
  for (const auto& [code, count] : tally.acks)
    std::printf("  %s %llu", code.c_str(), static_cast<unsigned long long>(count));
  std::printf("\n");
}

std::uint64_t number(json::Value value) { return value.unsigned_integer().value_or(0); }

// Waits until nothing is left to do, and compares with what the morning must have come to.
Result<Tally> check(const SimulateOptions& options, Tally tally) {
  MN_TRY(client, AdminClient::open(options.admin));
  const auto deadline = std::chrono::steady_clock::now() + kWorkWait;
  while (true) {
    MN_TRY(text, client.get("/api/v1/status"));
    MN_TRY(status, json::parse(text));
    const json::Value queue = status.root()["queue"], journal = status.root()["journal"];
    const bool applied = number(journal["applied"]) == number(journal["last"]);
    if (applied && number(queue["waiting"]) + number(queue["leased"]) == 0) {
      MN_TRY(effects_text, client.get("/api/v1/effects?kind=mail&limit=1000"));
      MN_TRY(effects, json::parse(effects_text));
      std::uint64_t mails = 0;
      for (const auto effect : effects.root()["effects"].entries())
        mails += effect.value["state"].string_or("") == "done" ? 1 : 0;
      const std::uint64_t total = number(status.root()["messages"]["total"]);
      const std::uint64_t parked = number(queue["parked"]);
      std::printf("Stored %llu messages, sent %llu mails, kept %llu dead letters.\n",
                  static_cast<unsigned long long>(total), static_cast<unsigned long long>(mails),
                  static_cast<unsigned long long>(parked));
      const auto expect = [&](const char* what, std::uint64_t is, std::uint64_t must) {
        if (is != must)
          tally.wrong.push_back(std::string(what) + ": " + std::to_string(is) + ", must be " + std::to_string(must));
      };
      expect("stored messages", total, tally.stored);
      expect("mails", mails, tally.mails);
      expect("dead letters", parked, tally.dead_letters);
      return tally;
    }
    if (std::chrono::steady_clock::now() > deadline)
      return fail(Errc::kRetry, "the server has not worked everything off in a minute");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

int run_simulate(const SimulateOptions& options) {
  HospitalOptions hospital;
  hospital.seed = options.seed;
  hospital.patients = options.patients;
  // The morning of today, so that its times are plausible for a registry that knows no future.
  const auto today = std::chrono::floor<std::chrono::days>(real_clock().now());
  hospital.begin = Time(today) - std::chrono::hours(1);
  const auto morning = hospital_morning(hospital);
  if (!morning) return report(morning.error());
  if (options.print_only) {
    for (const HospitalMessage& message : *morning) std::fwrite(message.bytes.data(), 1, message.bytes.size(), stdout);
    return kExitOk;
  }
  auto tally = play(options, *morning);
  if (!tally) {
    report(tally.error());
    return kExitUnavailable;
  }
  print(*tally);
  if (options.check) {
    tally = check(options, std::move(*tally));
    if (!tally) return report(tally.error());
  }
  for (const std::string& wrong : tally->wrong) std::printf("NOT AS IT MUST BE  %s\n", wrong.c_str());
  if (tally->wrong.empty()) std::printf(options.check ? "All as it must be.\n" : "Every answer as it must be.\n");
  return tally->wrong.empty() ? kExitOk : kExitNegative;
}

}  // namespace minato
