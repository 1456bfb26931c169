import Foundation
import Testing

@testable import TelemetryModel

@Suite struct QuantileSketchTests {
    @Test func `quantiles are within one percent of the nearest-rank sample`() {
        var generator = SystemRandomNumberGenerator()
        for spread in [1.0, 4.0, 12.0] {
            var sketch = QuantileSketch()
            var values: [Double] = []
            for _ in 0..<5000 {
                let exponent = Double.random(in: -spread...spread, using: &generator)
                let value = exp(exponent * 1.7)
                values.append(value)
                sketch.observe(value)
            }
            values.sort()
            for q in [0.5, 0.9, 0.99] {
                let exact = values[Int((q * Double(values.count)).rounded(.up)) - 1]
                #expect(abs(sketch.quantile(q) - exact) <= exact * 0.0101, "spread \(spread), q \(q)")
            }
            #expect(sketch.encoded().count <= QuantileSketch.maximumEncodedSize)
        }
    }

    @Test func `the encoding round-trips and stays within 2 KiB whatever is observed`() throws {
        var sketch = QuantileSketch()
        for index in 0..<200_000 {
            sketch.observe(Double(index % 977) * 1.37 + Double(index % 13) * 1e6)
            if index % 50_000 == 0 { sketch.observe(1e-12) }
        }
        #expect(sketch.encoded().count <= QuantileSketch.maximumEncodedSize)
        #expect(QuantileSketch(encoded: sketch.encoded()) == sketch)
        #expect(QuantileSketch(encoded: []) == nil)
        #expect(QuantileSketch(encoded: Array(sketch.encoded().dropLast())) == nil)
    }

    @Test func `values a world apart keep the sketch within its bounds and readable`() {
        var sketch = QuantileSketch()
        for value in [1e-8, 1, 1e290, 3, 1e300, 1e-8] { sketch.observe(value) }
        #expect(sketch.count == 6)
        #expect(QuantileSketch(encoded: sketch.encoded()) == sketch)
        #expect(sketch.encoded().count <= QuantileSketch.maximumEncodedSize)
        #expect(sketch.quantile(0.99) == 1e300)
    }

    @Test func `one observation is exact and none is NaN`() {
        var sketch = QuantileSketch()
        #expect(sketch.quantile(0.5).isNaN)
        sketch.observe(0.139)
        #expect(sketch.quantile(0.5) == 0.139)
        #expect(sketch.quantile(0.99) == 0.139)
        sketch.observe(-1)
        sketch.observe(.infinity)
        #expect(sketch.count == 1)
    }
}
