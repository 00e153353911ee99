// One function a subcommand; each has a source of its own. What the command line says arrives as options, the exit
// status leaves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace minato {

// What a shell can act on; `minato --help` lists them.
enum ExitStatus : int {
  kExitOk = 0,
  kExitNegative = 1,     // it worked, and the answer is no: a message was refused, a check failed, nothing was found
  kExitUsage = 2,        // the command line or the configuration is wrong
  kExitUnavailable = 3,  // the server or its data cannot be reached
  kExitFailed = 4,       // it was tried and failed
};

struct ServeOptions {
  std::string config_file;
  std::string data_dir;
  std::optional<std::uint16_t> mllp_port, http_port;
};
int run_serve(const ServeOptions& options);

// How a client command finds the server: by its data directory, or by URL and token.
struct AdminOptions {
  std::string data_dir = "minato-data";
  std::string url, token_file, ca_file;
  bool json = false;
};

struct SendOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 2575;
  bool tls = false;
  std::string ca_file, certificate_file, key_file;
  std::uint32_t timeout_s = 30;
  std::vector<std::string> files;  // "-": standard input
  bool json = false;
};
int run_send(const SendOptions& options);

struct SimulateOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 2575;
  std::uint64_t seed = 1;
  std::uint32_t patients = 40;
  bool print_only = false;  // write the messages to standard output instead of sending them
  bool check = false;       // wait until the server has worked all of it off and compare with what must come out
  AdminOptions admin;
};
int run_simulate(const SimulateOptions& options);

struct MessagesOptions {
  AdminOptions admin;
  std::string control_id, mrn, type, sender, listener, status, from, to;
  std::uint32_t limit = 50;
  std::string before;
};
int run_messages(const MessagesOptions& options);
struct MessageShowOptions {
  AdminOptions admin;
  std::uint64_t seq = 0;
  bool raw = false;
};
int run_message_show(const MessageShowOptions& options);
struct ResubmitOptions {
  AdminOptions admin;
  std::uint64_t seq = 0;
  std::string file;
};
int run_resubmit(const ResubmitOptions& options);

struct QueueOptions {
  AdminOptions admin;
  std::string action = "stats";  // stats | list | redrive | discard
  std::string state, step, reason;
  std::vector<std::string> items;
  std::optional<std::uint64_t> origin;
  std::string from, to;  // of parking, RFC 3339
  std::uint32_t limit = 100, per_second = 0;
  bool preview = false;
};
int run_queue(const QueueOptions& options);

struct RegistryOptions {
  AdminOptions admin;
  std::string action;  // list | import | export | show | merge | unmerge
  std::string what;    // patients | providers
  std::string file, find, id, into;
};
int run_registry(const RegistryOptions& options);

struct ConfigOptions {
  std::string action;  // check | show
  std::string file;
  bool json = false;
};
int run_config(const ConfigOptions& options);

struct RoutesOptions {
  AdminOptions admin;
  std::string action;  // check | dry-run | apply | show
  std::string file;
  std::uint32_t limit = 1000;
};
int run_routes(const RoutesOptions& options);

int run_status(const AdminOptions& options);

struct BackupOptions {
  AdminOptions admin;
  std::string directory;
};
int run_backup(const BackupOptions& options);
struct RestoreOptions {
  std::string from, data_dir;
};
int run_restore(const RestoreOptions& options);
// Reads every byte of the journal and compares digests; the server must not run.
int run_verify(const AdminOptions& options);

struct TokenOptions {
  AdminOptions admin;
  std::string action = "list";  // list | create | revoke
  std::string name;
  std::vector<std::string> scopes;
};
int run_token(const TokenOptions& options);

}  // namespace minato
