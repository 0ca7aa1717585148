// Plain top-K as a command: equipoise check "cmd:./router"
// Build: g++ -O2 -std=c++17 -o router router.cpp
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

// The numbers after "key":, up to the end of their brackets.
std::vector<double> numbers(const std::string& line, const std::string& key) {
  std::vector<double> found;
  int depth = 0;
  for (const char* at = line.c_str() + line.find("\"" + key + "\":") + key.size() + 3; *at; ++at) {
    if (*at == '[') ++depth;
    if (*at == ']') --depth;
    if (std::isdigit(*at) || *at == '-') {
      char* end;
      found.push_back(std::strtod(at, &end));
      at = end - 1;
    }
    if (depth == 0) break;
  }
  return found;
}

int main() {
  std::cout << R"({"protocol":"equipoise-balancer/1","role":"router"})" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto shape = numbers(line, "shape"), scores = numbers(line, "values");
    const int tokens = shape[0], experts = shape[1], top_k = numbers(line, "top_k")[0];
    std::cout << "{\"experts\":[";
    for (int token = 0; token < tokens; ++token) {
      std::vector<int> order(experts);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return scores[token * experts + a] > scores[token * experts + b];
      });
      for (int place = 0; place < top_k; ++place) std::cout << (place ? "," : token ? ",[" : "[") << order[place];
      std::cout << "]";
    }
    std::cout << "]}" << std::endl;
  }
}
