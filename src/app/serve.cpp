#include <cstdio>

#include "app/admin_client.h"
#include "app/commands.h"
#include "app/server.h"
#include "base/log.h"
#include "os/files.h"

namespace minato {
namespace {

Result<Config> config_of(const ServeOptions& options) {
  Config config;
  if (!options.config_file.empty()) {
    MN_TRY(text, read_file(real_files(), options.config_file, 4 * kMiB));
    MN_TRY(parsed, parse_config(text, options.config_file));
    config = std::move(parsed);
  }
  if (!options.data_dir.empty()) config.data_dir = options.data_dir;
  if (options.mllp_port && !config.mllp.empty()) config.mllp.front().port = *options.mllp_port;
  if (options.http_port) config.http.port = *options.http_port;
  MN_CHECK(check_config(config));
  return config;
}

}  // namespace

int run_serve(const ServeOptions& options) {
  const auto config = config_of(options);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().what.c_str());
    return kExitUsage;
  }
  if (const auto level = log::parse_level(config->log_level)) log::set_level(*level);
  Server::block_signals();
  auto server = Server::start(*config);
  if (!server) {
    std::fprintf(stderr, "minato: %s\n", server.error().what.c_str());
    return server.error().code == Errc::kRefused ? kExitUsage : kExitUnavailable;
  }
  std::printf("%s\n", (*server)->ready_line().c_str());
  std::fflush(stdout);
  const Status ended = (*server)->wait();
  (*server)->stop();
  return ended ? kExitOk : kExitFailed;
}

int run_config(const ConfigOptions& options) {
  Config config;
  if (!options.file.empty()) {
    const auto text = read_file(real_files(), options.file, 4 * kMiB);
    if (!text) return report(text.error());
    auto parsed = parse_config(*text, options.file);
    if (!parsed) {
      std::fprintf(stderr, "%s\n", parsed.error().what.c_str());
      return kExitUsage;
    }
    config = std::move(*parsed);
  }
  if (const Status checked = check_config(config); !checked) {
    std::fprintf(stderr, "%s\n", checked.error().what.c_str());
    return kExitUsage;
  }
  if (options.action == "show" || options.json)
    std::printf("%s\n", to_json(config).c_str());
  else
    std::printf("%s: no fault found\n", options.file.c_str());
  return kExitOk;
}

}  // namespace minato
