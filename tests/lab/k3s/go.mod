module lions.test/k3s

go 1.21
