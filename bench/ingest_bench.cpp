// Durable MLLP ingest against a bare group-commit echo (group_commit_echo.h), each in a process of its own.
// links: minato_edge_mllp minato_journal
//
//   cmake --build --preset release --target ingest_bench && build/release/bin/ingest_bench [links…] [--rounds 5]
//
// A closed loop of 770-byte ADT^A01, each with its own MSH-10; every answer is checked for AA and the id. The two
// servers take turns; what is printed are medians of the rounds, and the ratio of the rates (aim: 0.70).
// --seconds 1, --workers n, --mode adaptive|thread, and --only echo|minato for a profiler.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/log.h"
#include "edge/mllp/server.h"
#include "group_commit_echo.h"
#include "os/clock.h"
#include "os/files.h"
#include "store/journal/segment_journal.h"

namespace minato::bench {
namespace {

using Steady = std::chrono::steady_clock;

struct Settings {
  std::vector<int> links;
  int rounds = 5;
  std::chrono::milliseconds run{1000};
  unsigned workers = 0;
  CommitMode mode = CommitMode::kAdaptive;
  std::string only;  // "echo" or "minato": that server alone, for a profiler
};

std::string admission(std::uint64_t number) {
  char id[24];
  std::snprintf(id, sizeof id, "B%018llu", static_cast<unsigned long long>(number));
  std::string text =
      "MSH|^~\\&|HIS|WARD7|MINATO|HOSP|20261124140607.123+0900||ADT^A01^ADT_A01|" + std::string(id) +
      "|P|2.5||||||UNICODE UTF-8\rEVN|A01|20261124140607|||OPER01^Sato^Hanako\r"
      "PID|1||0001234567^^^HOSP^PI~9912345678^^^CITY^NI||Yamamoto^Kyoko^^^^^L||19650415|F|||1-2-3 Minato^^Tokyo^^"
      "105-0003^JPN^H||^PRN^PH^^^^^^^^^03-5999-9999||||M\r"
      "NK1|1|Yamamoto^Taro|SPO^spouse^HL70063|1-2-3 Minato^^Tokyo^^105-0003^JPN^H\r"
      "PV1|1|I|W7^701^1^HOSP^^^^^7|R|||D001^Smith^John^^^Dr^^^HOSP|||MED||||1|||D001^Smith^John|IP|V0001^^^HOSP^VN\r"
      "AL1|1|DA^drug^HL70127|P01^Penicillin^L|SV|rash|20200101\rDG1|1||E11^Type 2 diabetes^I10|||A\r";
  if (text.size() < 770) text += "NTE|1||" + std::string(770 - text.size() - 8, 'x') + "\r";
  return "\x0B" + text + "\x1C\r";
}

// A server in a child process; its port comes through a pipe.
class Child {
 public:
  template <typename Serve>
  explicit Child(const Serve& serve) {
    int ends[2];
    must(::pipe(ends) == 0, "pipe");
    pid_ = ::fork();
    must(pid_ >= 0, "fork");
    if (pid_ == 0) {
      ::close(ends[0]);
      serve(ends[1]);
      std::_Exit(0);
    }
    ::close(ends[1]);
    must(::read(ends[0], &port_, sizeof port_) == sizeof port_, "the server did not start");
    ::close(ends[0]);
  }
  ~Child() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

void tell_port(int pipe, std::uint16_t port) {
  must(::write(pipe, &port, sizeof port) == sizeof port, "pipe");
  ::close(pipe);
}

void serve_echo(const std::string& directory, int pipe) {
  auto echo = std::make_unique<GroupCommitEcho>(directory + "/echo");
  tell_port(pipe, echo->port());
  echo->run();
}

void serve_minato(const Settings& settings, const std::string& directory, int pipe) {
  log::set_level(log::Level::kError);
  auto journal = open_segment_journal(real_files(), real_clock(),
                                      {.directory = directory + "/journal", .commit_mode = settings.mode});
  must(journal.has_value(), "journal");
  metrics::Registry registry;
  Receiver receiver({}, **journal, real_clock(), registry);
  auto server = mllp::Server::start({.listeners = {{.rules = {.listener = "adt"}}}, .workers = settings.workers},
                                    receiver, registry);
  must(server.has_value(), "server");
  tell_port(pipe, (*server)->bound("adt")->port);
  for (;;) ::pause();
}

struct Outcome {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double cpu_us = 0;  // of the server, a message
};

// User and system time of all threads of a process.
double cpu_seconds(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  double ticks = 0;
  for (int field = 1; field <= 15 && stat >> word; ++field) {
    if (field >= 14) ticks += std::atof(word.c_str());
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class Load {
 public:
  Load(const Child& server, int links) : server_(server), epoll_(::epoll_create1(0)) {
    for (int i = 0; i < links; ++i) connect();
  }
  ~Load() {
    for (const Link& link : links_) ::close(link.fd);
    ::close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Outcome run(std::chrono::milliseconds time) {
    const auto warm = Steady::now() + time / 4;
    const auto end = warm + time;
    const double cpu_before = cpu_seconds(server_.pid());
    for (Link& link : links_) send(link);
    std::vector<epoll_event> events(256);
    while (Steady::now() < end) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      must(count > 0, "no answer for a second");
      for (int i = 0; i < count; ++i) receive(links_[events[static_cast<std::size_t>(i)].data.u32], warm);
    }
    sending_ = false;
    for (std::size_t open = links_.size(); open > 0;) {  // an answer must not meet the next round's link
      const std::uint64_t before = answers_;
      must(::epoll_wait(epoll_, events.data(), 1, 1000) > 0, "no answer for a second");
      receive(links_[events[0].data.u32], warm);
      open -= answers_ - before;
    }
    const double cpu = cpu_seconds(server_.pid()) - cpu_before;
    std::ranges::sort(latencies_);
    const auto rank = [&](double q) {
      return static_cast<std::size_t>(q * static_cast<double>(latencies_.size() - 1));
    };
    must(!latencies_.empty(), "no answer at all");
    return {.per_second = static_cast<double>(latencies_.size()) / std::chrono::duration<double>(time).count(),
            .p50_ms = latencies_[rank(0.5)],
            .p99_ms = latencies_[rank(0.99)],
            .cpu_us = cpu * 1e6 / static_cast<double>(answers_)};
  }

 private:
  struct Link {
    int fd = -1;
    Steady::time_point sent;
    std::string id;
    std::string answer;
  };

  void connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{.events = EPOLLIN, .data = {.u32 = static_cast<std::uint32_t>(links_.size())}};
    must(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    links_.push_back({.fd = fd, .sent = {}, .id = {}, .answer = {}});
  }

  void send(Link& link) {
    static std::uint64_t number = static_cast<std::uint64_t>(::getpid()) * 10'000'000'000;
    static const std::string frame_template = admission(0);
    static const std::size_t id_at = frame_template.find("B0000");
    std::string frame = frame_template;
    char id[24];
    const int length = std::snprintf(id, sizeof id, "B%018llu", static_cast<unsigned long long>(++number));
    frame.replace(id_at, static_cast<std::size_t>(length), id);
    link.id = std::string("MSA|AA|") + id;
    link.sent = Steady::now();
    must(::send(link.fd, frame.data(), frame.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(frame.size()), "send");
  }

  void receive(Link& link, Steady::time_point warm) {
    char buffer[4096];
    const ssize_t count = ::recv(link.fd, buffer, sizeof buffer, 0);
    must(count > 0, "the link ended");
    link.answer.append(buffer, static_cast<std::size_t>(count));
    if (!link.answer.ends_with("\x1C\r")) return;
    if (link.answer.find(link.id) == std::string::npos) {
      std::fprintf(stderr, "a wrong answer\n");
      std::exit(1);
    }
    link.answer.clear();
    ++answers_;
    const auto now = Steady::now();
    if (link.sent >= warm) latencies_.push_back(std::chrono::duration<double, std::milli>(now - link.sent).count());
    if (sending_) send(link);
  }

  const Child& server_;
  int epoll_;
  std::vector<Link> links_;
  std::vector<double> latencies_;
  bool sending_ = true;
  std::uint64_t answers_ = 0;  // those of the warm-up too
};

Outcome median(std::vector<Outcome> outcomes) {
  const auto middle = [&](auto member) {
    std::vector<double> values;
    for (const Outcome& outcome : outcomes) values.push_back(outcome.*member);
    std::ranges::sort(values);
    return values[values.size() / 2];
  };
  return {.per_second = middle(&Outcome::per_second),
          .p50_ms = middle(&Outcome::p50_ms),
          .p99_ms = middle(&Outcome::p99_ms),
          .cpu_us = middle(&Outcome::cpu_us)};
}

// The fastest round: on a machine that others use too, the one that was disturbed least.
double best(const std::vector<Outcome>& outcomes) {
  return std::ranges::max(outcomes, {}, &Outcome::per_second).per_second;
}

void print(const char* what, int links, const Outcome& outcome) {
  std::printf("%-7s %3d links  %9.0f msg/s  p50 %7.3f ms  p99 %7.3f ms  server cpu %5.1f us/msg\n", what, links,
              outcome.per_second, outcome.p50_ms, outcome.p99_ms, outcome.cpu_us);
}

Settings settings_of(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const std::string value = i + 1 < count ? arguments[i + 1] : "";
    if (argument == "--rounds")
      settings.rounds = std::atoi(value.c_str());
    else if (argument == "--seconds")
      settings.run = std::chrono::milliseconds(static_cast<int>(std::atof(value.c_str()) * 1000));
    else if (argument == "--workers")
      settings.workers = static_cast<unsigned>(std::atoi(value.c_str()));
    else if (argument == "--mode")
      settings.mode = value == "thread" ? CommitMode::kThread : CommitMode::kAdaptive;
    else if (argument == "--only")
      settings.only = value;
    else {
      settings.links.push_back(std::atoi(argument.c_str()));
      continue;
    }
    ++i;
  }
  if (settings.links.empty()) settings.links = {1, 16, 64};
  return settings;
}

int run(const Settings& settings) {
  std::string directory = (std::filesystem::temp_directory_path() / "minato-ingest-XXXXXX").string();
  must(::mkdtemp(directory.data()) != nullptr, "mkdtemp");
  {
    Child echo([&](int pipe) { serve_echo(directory, pipe); });
    Child minato([&](int pipe) { serve_minato(settings, directory, pipe); });
    for (const int links : settings.links) {
      std::vector<Outcome> theirs;
      std::vector<Outcome> ours;
      for (int round = 0; round < settings.rounds; ++round) {
        if (settings.only != "minato") theirs.push_back(Load(echo, links).run(settings.run));
        if (settings.only != "echo") ours.push_back(Load(minato, links).run(settings.run));
      }
      if (!theirs.empty()) print("echo", links, median(theirs));
      if (!ours.empty()) print("minato", links, median(ours));
      if (!theirs.empty() && !ours.empty()) {
        std::printf("ratio   %3d links  %9.2f of medians  %5.2f of the fastest rounds (%.0f, %.0f)\n", links,
                    median(ours).per_second / median(theirs).per_second, best(ours) / best(theirs), best(ours),
                    best(theirs));
      }
      std::fflush(stdout);
    }
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace minato::bench

int main(int count, char** arguments) { return minato::bench::run(minato::bench::settings_of(count, arguments)); }
