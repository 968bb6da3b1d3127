// The two products that dfdx asks of cuBLAS, column-major: C = alpha·op(A)·op(B) + beta·C.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <algorithm>

extern "C" {
void cuda_host_count(const char *what, std::uint64_t amount);

static const int OK = 0, INVALID = 7;

int cublasCreate_v2(void **handle) { *handle = (void *)1; return OK; }
int cublasDestroy_v2(void *) { return OK; }
int cublasSetStream_v2(void *, void *) { return OK; }

static int product(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                   float beta, float *c, int ldc) {
    if (m < 0 || n < 0 || k < 0 || lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m))
        return INVALID;
    for (int j = 0; j < n; j++) {
        float *column = c + (std::int64_t)j * ldc;
        // With beta 0 what was there is not read, were it NaN.
        for (int i = 0; i < m; i++) column[i] = beta == 0 ? 0 : beta * column[i];
        if (ta) {
            for (int i = 0; i < m; i++) {
                const float *row = a + (std::int64_t)i * lda;
                float sum = 0;
                if (tb) for (int p = 0; p < k; p++) sum += row[p] * b[(std::int64_t)p * ldb + j];
                else for (int p = 0; p < k; p++) sum += row[p] * b[(std::int64_t)j * ldb + p];
                column[i] += alpha * sum;
            }
        } else {
            for (int p = 0; p < k; p++) {
                const float factor = alpha * (tb ? b[(std::int64_t)p * ldb + j] : b[(std::int64_t)j * ldb + p]);
                const float *from = a + (std::int64_t)p * lda;
                for (int i = 0; i < m; i++) column[i] += factor * from[i];
            }
        }
    }
    return OK;
}

int cublasSgemm_v2(void *, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda,
                   const float *b, int ldb, const float *beta, float *c, int ldc) {
    cuda_host_count("launch cublasSgemm", 1);
    return product(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
}

int cublasSgemmStridedBatched(void *, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda,
                              long long sa, const float *b, int ldb, long long sb, const float *beta, float *c, int ldc,
                              long long sc, int count) {
    cuda_host_count("launch cublasSgemmStridedBatched", 1);
    // Products that write to the same place would race.
    if (count < 0 || (count > 1 && sc == 0)) return INVALID;
    for (int i = 0; i < count; i++) {
        int status = product(ta, tb, m, n, k, *alpha, a + i * sa, lda, b + i * sb, ldb, *beta, c + i * sc, ldc);
        if (status != OK) return status;
    }
    return OK;
}
}
