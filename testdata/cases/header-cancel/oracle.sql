select l.sku, o.site as location, l.qty - l.shipped as committed from order_line l join orders o on o.id = l.order_id where o.state = 'open'
