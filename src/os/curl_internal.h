// What the HTTP client and the mail sender share about libcurl; nobody else includes it.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

namespace minato {

struct CurlEasyFree {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyFree>;
// Initialises libcurl once for the process. Null: out of memory.
CurlEasy new_curl_easy();

struct CurlListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, CurlListFree>;
// False: out of memory.
bool append(CurlList& list, const std::string& text);

// TLS 1.2 or newer, the peer verified by `ca_file` alone, or by the system's list when it is empty.
void set_curl_trust(CURL* handle, const std::string& ca_file);

// Whether the transfer failed over something that the same again will fail over: names, files, certificates.
bool curl_refused(CURLcode code);

}  // namespace minato
