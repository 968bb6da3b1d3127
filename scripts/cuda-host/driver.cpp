// A CUDA driver with one device: this processor. Everything is done when it is asked for.
//
// Fresh memory is filled with NaN, so that what reads before it writes shows. CUDA_HOST_MEMORY=N makes a device of N bytes.
// CUDA_HOST_COUNTS=FILE writes, at the end, how often each kernel was launched, and how often and how much was copied.
#include "cuda_host.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unordered_map>
#include <vector>

extern "C" {
Dim3 cuda_host_thread, cuda_host_block, cuda_host_block_size, cuda_host_grid_size;
}

namespace {
enum Status { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200, NOT_FOUND = 500 };

struct Counts {
    std::map<std::string, std::uint64_t> of;
    ~Counts() {
        const char *path = std::getenv("CUDA_HOST_COUNTS");
        std::FILE *file = path ? std::fopen(path, "w") : nullptr;
        if (!file) return;
        for (auto &[what, count] : of) std::fprintf(file, "%llu\t%s\n", (unsigned long long)count, what.c_str());
        std::fclose(file);
    }
};
Counts &counts() { static Counts counts; return counts; }

std::mutex lock;
std::unordered_map<std::uint64_t, std::size_t> allocations;
std::size_t used = 0;

std::size_t capacity() {
    static const char *text = std::getenv("CUDA_HOST_MEMORY");
    static const std::size_t bytes = text ? std::strtoull(text, nullptr, 10) : SIZE_MAX;
    return bytes;
}

// A thread of a block, on a stack of its own: it stops at a barrier and goes on when all others have come there.
struct Fiber { char *stack; void *at; bool done; Dim3 thread; };

constexpr std::size_t STACK = 64 << 10;
std::vector<Fiber> fibers;
Fiber *running = nullptr;
void *scheduler = nullptr;
void (*kernel)(void **) = nullptr;
void **kernel_parameters = nullptr;

#if !defined(__x86_64__)
#error "the switch between stacks is written for x86-64"
#endif
// Saves what a call keeps on this stack, and goes on where the other stack was left.
extern "C" void cuda_host_switch(void **from, void *to);
asm(R"(
.globl cuda_host_switch
.hidden cuda_host_switch
.type cuda_host_switch,@function
cuda_host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

void body() {
    for (;;) {
        kernel(kernel_parameters);
        running->done = true;
        cuda_host_switch(&running->at, scheduler);
    }
}

void start(Fiber &fiber) {
    if (!fiber.stack) {
        void *stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) std::abort();
        fiber.stack = static_cast<char *>(stack);
    }
    // Six registers and where to return to; a function is entered with the stack 8 off a multiple of 16.
    void **top = reinterpret_cast<void **>(fiber.stack + STACK) - 2;
    *--top = reinterpret_cast<void *>(body);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    fiber.at = top;
}

void resume(Fiber &fiber) {
    running = &fiber;
    cuda_host_thread = fiber.thread;
    cuda_host_switch(&scheduler, fiber.at);
}

void run_block() {
    const Dim3 size = cuda_host_block_size;
    const std::size_t threads = std::size_t(size.x) * size.y * size.z;
    while (fibers.size() < threads) {
        Fiber fiber{};
        start(fiber);
        fibers.push_back(fiber);
    }
    std::size_t waiting = 0;
    for (std::size_t i = 0; i < threads; i++) {
        // A thread that never waits leaves its stack to the next.
        Fiber &fiber = fibers[waiting];
        fiber.done = false;
        fiber.thread = {unsigned(i % size.x), unsigned(i / size.x % size.y), unsigned(i / size.x / size.y)};
        resume(fiber);
        if (!fiber.done) waiting++;
    }
    // Threads that have ended are not waited for, as on a device.
    for (std::size_t left = waiting; left > 0;) {
        left = 0;
        for (std::size_t i = 0; i < waiting; i++) {
            if (fibers[i].done) continue;
            resume(fibers[i]);
            if (!fibers[i].done) left++;
        }
    }
}

int copied(const char *how, void *to, const void *from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    counts().of[how]++;
    counts().of[std::string(how) + ", bytes"] += bytes;
    return OK;
}

int allocate(std::uint64_t *at, std::size_t bytes) {
    std::lock_guard<std::mutex> guard(lock);
    if (bytes > capacity() - std::min(used, capacity())) return OUT_OF_MEMORY;
    void *memory = nullptr;
    if (posix_memalign(&memory, 256, std::max<std::size_t>(bytes, 1))) return OUT_OF_MEMORY;
    std::memset(memory, 0xff, bytes);
    *at = reinterpret_cast<std::uint64_t>(memory);
    allocations[*at] = bytes;
    used += bytes;
    counts().of["allocate"]++;
    std::uint64_t &most = counts().of["most memory, bytes"];
    most = std::max<std::uint64_t>(most, used);
    return OK;
}

int release(std::uint64_t at) {
    std::lock_guard<std::mutex> guard(lock);
    auto found = allocations.find(at);
    if (found == allocations.end()) return INVALID_VALUE;
    used -= found->second;
    std::memset(reinterpret_cast<void *>(at), 0xff, found->second);
    allocations.erase(found);
    std::free(reinterpret_cast<void *>(at));
    counts().of["free"]++;
    return OK;
}

struct Function { std::string name; void (*kernel)(void **); };
} // namespace

extern "C" {
void cuda_host_count(const char *what, std::uint64_t amount) { counts().of[what] += amount; }

void cuda_host_barrier() { cuda_host_switch(&running->at, scheduler); }

int cuInit(unsigned) { counts(); return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal == 0 ? OK : INVALID_DEVICE; }
int cuDeviceGetAttribute(int *value, int, int) { *value = 1; return OK; } // memory pools: there are
int cuDevicePrimaryCtxRetain(void **context, int) { *context = (void *)1; return OK; }
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
int cuCtxSetCurrent(void *) { return OK; }
int cuEventCreate(void **event, unsigned) { *event = (void *)1; return OK; }
int cuEventDestroy_v2(void *) { return OK; }
int cuEventRecord(void *, void *) { return OK; }
int cuStreamCreate(void **stream, unsigned) { *stream = (void *)1; return OK; }
int cuStreamDestroy_v2(void *) { return OK; }
int cuStreamWaitEvent(void *, void *, unsigned) { return OK; }
int cuStreamSynchronize(void *) { counts().of["wait for the device"]++; return OK; }

static const char *name_of(int status) {
    switch (status) {
    case OK: return "CUDA_SUCCESS";
    case INVALID_VALUE: return "CUDA_ERROR_INVALID_VALUE";
    case OUT_OF_MEMORY: return "CUDA_ERROR_OUT_OF_MEMORY";
    case INVALID_DEVICE: return "CUDA_ERROR_INVALID_DEVICE";
    case INVALID_IMAGE: return "CUDA_ERROR_INVALID_IMAGE";
    case NOT_FOUND: return "CUDA_ERROR_NOT_FOUND";
    default: return "CUDA_ERROR_UNKNOWN";
    }
}
int cuGetErrorName(int status, const char **text) { *text = name_of(status); return OK; }
int cuGetErrorString(int status, const char **text) { *text = name_of(status); return OK; }

int cuMemAlloc_v2(std::uint64_t *at, std::size_t bytes) { return bytes ? allocate(at, bytes) : INVALID_VALUE; }
int cuMemAllocAsync(std::uint64_t *at, std::size_t bytes, void *) { return allocate(at, bytes); }
int cuMemFree_v2(std::uint64_t at) { return release(at); }
int cuMemFreeAsync(std::uint64_t at, void *) { return release(at); }

static void *pointer(std::uint64_t at) { return reinterpret_cast<void *>(at); }
int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void *from, std::size_t n, void *) { return copied("copy to the device", pointer(to), from, n); }
int cuMemcpyHtoD_v2(std::uint64_t to, const void *from, std::size_t n) { return copied("copy to the device", pointer(to), from, n); }
int cuMemcpyDtoHAsync_v2(void *to, std::uint64_t from, std::size_t n, void *) { return copied("copy to the host", to, pointer(from), n); }
int cuMemcpyDtoH_v2(void *to, std::uint64_t from, std::size_t n) { return copied("copy to the host", to, pointer(from), n); }
int cuMemcpyDtoDAsync_v2(std::uint64_t to, std::uint64_t from, std::size_t n, void *) { return copied("copy on the device", pointer(to), pointer(from), n); }
int cuMemcpyDtoD_v2(std::uint64_t to, std::uint64_t from, std::size_t n) { return copied("copy on the device", pointer(to), pointer(from), n); }
int cuMemsetD8Async(std::uint64_t at, unsigned char value, std::size_t n, void *) {
    std::memset(pointer(at), value, n);
    counts().of["set memory"]++;
    return OK;
}
int cuMemsetD8_v2(std::uint64_t at, unsigned char value, std::size_t n) { return cuMemsetD8Async(at, value, n, nullptr); }

// The image is the path of a library, as this tree's nvcc writes it.
int cuModuleLoadData(void **module, const void *image) {
    std::string path(static_cast<const char *>(image));
    path.erase(path.find_last_not_of(" \n") + 1);
    *module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!*module) std::fprintf(stderr, "%s\n", dlerror());
    return *module ? OK : INVALID_IMAGE;
}
int cuModuleLoad(void **, const char *) { return INVALID_IMAGE; }
int cuModuleUnload(void *) { return OK; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
    auto kernel = reinterpret_cast<void (*)(void **)>(dlsym(module, (std::string("cuda_host_kernel_") + name).c_str()));
    if (!kernel) return NOT_FOUND;
    *function = new Function{name, kernel}; // for as long as the process lives, like the module
    return OK;
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned, void *, void **parameters, void **) {
    if (!gx || !gy || !gz || !bx || !by || !bz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 ||
        std::uint64_t(bx) * by * bz > 1024)
        return INVALID_VALUE;
    auto *entry = static_cast<Function *>(function);
    std::lock_guard<std::mutex> guard(lock);
    counts().of["launch " + entry->name]++;
    kernel = entry->kernel;
    kernel_parameters = parameters;
    cuda_host_block_size = {bx, by, bz};
    cuda_host_grid_size = {gx, gy, gz};
    for (unsigned z = 0; z < gz; z++)
        for (unsigned y = 0; y < gy; y++)
            for (unsigned x = 0; x < gx; x++) {
                cuda_host_block = {x, y, z};
                run_block();
            }
    return OK;
}
}
